// Real signals to the built program, at every kind of moment: the run that comes out in the end has the bits of one
// that nobody disturbed.
#include <gtest/gtest.h>

#include "attune/models/architecture.h"
#include "attune/models/task.h"
#include "process.h"
#include "training_place.h"

namespace attune {
namespace {

using testing::lines_of;
using testing::Process;
using testing::Ran;
using testing::TrainingForm;
using testing::TrainingPlace;
using Compare = TrainingPlace::Compare;

class Interrupted : public ::testing::TestWithParam<TrainingForm> {
 protected:
  // Far from its limit, so that it cannot end before the signal comes. The number of threads may change each time.
  std::string endless() { return TrainingPlace::command("run", flags() + threads() + " --max-update 1000000"); }
  std::string flags() const { return GetParam().flags; }
  std::string threads() { return " --threads " + std::to_string(1 + runs_++ % 2); }

  int newest() const {
    const auto updates = place.checkpoints("run");
    return updates.empty() ? 0 : updates.back();
  }
  // The last report's update, while its line may be half written.
  std::string last_report() const {
    const std::string log = place.read("run/training.jsonl");
    const auto lines = lines_of(log.substr(0, log.rfind('\n') + 1));
    return lines.empty() ? "" : lines.back();
  }
  bool is_saving() const {
    const auto names = place.names_in("run/checkpoints");
    return std::any_of(names.begin(), names.end(), [](const auto& name) { return name.ends_with(".tmp"); });
  }

  void stop_with(int signal, int code, const char* says, const std::function<bool()>& moment) {
    SCOPED_TRACE("signal " + std::to_string(signal) + ", run " + std::to_string(runs_));
    Process program(place, endless());
    ASSERT_TRUE(program.wait_until(moment)) << program.wait().err;
    program.send(signal);
    const Ran ran = program.wait();
    EXPECT_EQ(ran.code, code) << ran.err;
    EXPECT_EQ(ran.out, "");
    EXPECT_NE(ran.err.find(says), std::string::npos) << ran.err;
  }

  // The kernel ends the program when this file of a checkpoint reaches its last byte.
  void stop_within(const std::string& file) {
    SCOPED_TRACE("inside the writing of " + file);
    const std::string saved = "run/checkpoints/step-" + std::to_string(newest()) + "/";
    const uint64_t size = std::filesystem::file_size(place.path(saved + file));
    Process program(place, endless(), {.file_bytes = size - 1});
    const Ran ran = program.wait();
    EXPECT_EQ(ran.code, 128 + SIGXFSZ) << ran.err;
    EXPECT_TRUE(is_saving());
    for (const std::string& name : place.names_in("run/checkpoints")) {
      if (name.ends_with(".tmp")) {
        EXPECT_EQ(std::filesystem::file_size(place.path("run/checkpoints/" + name + "/" + file + ".tmp")), size - 1);
      }
    }
  }

  TrainingPlace place;
  int runs_ = 0;
};

TEST(Forms, every_architecture_has_one) {
  for (const Architecture& architecture : architectures()) {
    const auto all = testing::training_forms();
    EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&](const TrainingForm& form) {
      return TrainingPlace::architecture_of(form.flags) == architecture.word;
    })) << architecture.word;
  }
}

TEST(Forms, every_task_has_one) {
  for (const Task& task : tasks()) {
    const auto all = testing::training_forms();
    EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&](const TrainingForm& form) {
      return TrainingPlace::task_of(form.flags) == task.word;
    })) << task.word;
  }
}

TEST_P(Interrupted, runs_end_with_the_bits_of_undisturbed_ones) {
  stop_with(SIGINT, 130, "interrupted and saved", [&] { return newest() >= 4; });
  for (const int saves : {1, 2}) {  // the second may come before anything new was reported
    const int before = newest();
    stop_with(SIGTERM, 143, "interrupted and saved", [&] { return newest() >= before + saves; });
  }
  int before = newest();
  stop_with(SIGKILL, 137, "", [&] { return newest() > before; });  // inside an epoch
  const std::string report = last_report();
  stop_with(SIGKILL, 137, "", [&] {  // after a validation, which some forms have at the end of each epoch
    return last_report() != report && last_report().find("valid_nll") != std::string::npos;
  });
  for (int i = 0; i < 3; ++i) {
    before = newest();
    stop_with(SIGKILL, 137, "", [&] { return newest() > before && is_saving(); });
  }
  stop_within("weights.safetensors");
  const std::string last = "run/checkpoints/step-" + std::to_string(newest()) + "/";
  if (std::filesystem::file_size(place.path(last + "buffers.safetensors")) >
      std::filesystem::file_size(place.path(last + "weights.safetensors"))) {
    stop_within("buffers.safetensors");
  }

  const int reached = nlohmann::json::parse(last_report())["update"];
  const std::string to_the_end = flags() + " --max-update " + std::to_string(reached + 7);
  const Ran rest = place.run(TrainingPlace::command("run", to_the_end));
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_NE(rest.err.find("resumed from"), std::string::npos) << rest.err;
  const Ran whole = place.run(TrainingPlace::command("whole", to_the_end));
  ASSERT_EQ(whole.code, 0) << whole.err;
  place.expect_same_run("whole", "run", Compare::without_checkpoints);
  EXPECT_FALSE(is_saving()) << "what was half written is still there";
}

TEST_P(Interrupted, one_and_two_threads_leave_the_same_files) {
  const std::string upto = flags() + " --max-update 22";
  for (const std::string threads : {"1", "2"}) {
    const Ran ran = place.run(TrainingPlace::command("threads-" + threads, upto + " --threads " + threads));
    ASSERT_EQ(ran.code, 0) << ran.err;
  }
  place.expect_same_run("threads-1", "threads-2", Compare::all);
}

TEST_P(Interrupted, a_finished_run_says_so_and_no_byte_changes) {
  const std::string command = TrainingPlace::command("done", flags() + " --max-update 9");
  ASSERT_EQ(place.run(command).code, 0);
  const auto files = place.files_of("done", true);
  const std::string log = place.read("done/training.jsonl");
  const Ran again = place.run(command);
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("done: this run has finished (update 9)"), std::string::npos) << again.err;
  EXPECT_EQ(place.files_of("done", true), files);
  EXPECT_EQ(place.read("done/training.jsonl"), log);
}

INSTANTIATE_TEST_SUITE_P(Forms, Interrupted, ::testing::ValuesIn(testing::training_forms()), testing::name_of);

}  // namespace
}  // namespace attune
