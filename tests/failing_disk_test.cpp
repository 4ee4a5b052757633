// A disk that is full, read-only or changes under a training: one message, the last checkpoint intact, and the run goes
// on from it to the bits of an undisturbed one. And what prints when nobody reads.
#include <gtest/gtest.h>

#include "process.h"
#include "training_place.h"

namespace attune {
namespace {

namespace fs = std::filesystem;
using testing::expect_one_error;
using testing::lines_of;
using testing::Process;
using testing::Ran;
using testing::TrainingPlace;

class FailingDisk : public testing::HalfTrained {
 protected:
  static std::string command(const std::string& more = "--max-update 24") {
    return TrainingPlace::command("run", form + more);
  }
  static void expect_to_go_on() {
    const Ran rest = place->run(command());
    EXPECT_EQ(rest.code, 0) << rest.err;
    EXPECT_NE(rest.err.find("resumed from"), std::string::npos) << rest.err;
    EXPECT_EQ(rest.err.find("skipped"), std::string::npos) << rest.err;
    place->expect_same_run("whole", "run", TrainingPlace::Compare::without_checkpoints);
  }
  static uint64_t size_of(const std::string& name) { return fs::file_size(place->path("run/" + name)); }
};

// With the signal ignored, a write beyond the limit fails as on a full disk. The messages go through a pipe, as the
// limit would cut them too; the last line is the exit code.
Ran run_with_room_for(const TrainingPlace& place, const std::string& command, uint64_t blocks) {
  Ran ran = place.shell("(trap '' XFSZ; ulimit -f " + std::to_string(blocks) + "; " ATTUNE_PROGRAM " " + command +
                        "; echo $?) 2>&1 | cat >&2");
  const size_t last = ran.err.rfind('\n', ran.err.size() - 2) + 1;
  ran.code = std::stoi(ran.err.substr(last));
  return ran;
}
constexpr uint64_t block = 512;  // bytes, what sh counts in

TEST_F(FailingDisk, every_file_that_does_not_fit_ends_in_one_message_and_a_run_that_can_go_on) {
  struct Row {
    const char* file;  // which is too large first
    const char* measured;
    const char* more;
  };
  for (const Row& row : {Row{"weights.safetensors", "checkpoints/step-14/weights.safetensors", ""},
                         Row{"buffers.safetensors", "checkpoints/step-14/buffers.safetensors", ""},
                         Row{"training.jsonl", "training.jsonl", "--save-freq 100 --log-freq 1"}}) {
    SCOPED_TRACE(row.file);
    start();
    const Ran ran =
        run_with_room_for(*place, command(std::string("--max-update 24 ") + row.more), size_of(row.measured) / block);
    expect_one_error(ran, 1);
    EXPECT_NE(ran.err.find(row.file), std::string::npos) << ran.err;
    EXPECT_NE(ran.err.find("File too large"), std::string::npos) << ran.err;
    EXPECT_EQ(place->checkpoints("run"), place->checkpoints("part"));
    EXPECT_EQ(place->names_in("run/checkpoints").size(), place->names_in("part/checkpoints").size())
        << "something half written is left";
    expect_to_go_on();
  }
}

TEST_F(FailingDisk, a_start_without_room_leaves_nothing_half_written) {
  for (const uint64_t blocks : {0, 1, 3}) {
    fs::remove_all(place->path("run"));
    expect_one_error(run_with_room_for(*place, command(), blocks), 1);
    for (const std::string& name : place->names_in("run")) {
      EXPECT_FALSE(name.ends_with(".tmp")) << name;
    }
  }
  EXPECT_EQ(place->run(command()).code, 0);
  place->expect_same_run("whole", "run", TrainingPlace::Compare::without_checkpoints);
}

TEST_F(FailingDisk, a_full_file_system_ends_in_one_message_and_a_run_that_can_go_on) {
  // What is there fits, and half a checkpoint more.
  uint64_t bytes = 0;
  for (const auto& item : fs::recursive_directory_iterator(place->path("part"))) {
    bytes += item.is_regular_file() ? (item.file_size() + 4095) / 4096 * 4096 : 4096;
  }
  bytes += size_of("checkpoints/step-14/weights.safetensors") * 2;
  const std::string mount = "mount -t tmpfs -o size=" + std::to_string(bytes) + " attune-test ";
  if (place->shell("mkdir -p small; unshare -m sh -c '" + mount + "small'").code != 0) {
    GTEST_SKIP() << "no file system can be mounted here (needs root)";
  }
  // What is there in the end is copied out: the mount ends with its name space.
  const Ran ran = place->shell("unshare -m sh -c '" + mount + "run && cp -r part/. run && " ATTUNE_PROGRAM " " +
                               command() + "; code=$?; mkdir after && cp -r run/. after; exit $code'");
  expect_one_error(ran, 1);
  EXPECT_NE(ran.err.find("No space left on device"), std::string::npos) << ran.err;
  fs::remove_all(place->path("run"));
  fs::rename(place->path("after"), place->path("run"));
  expect_to_go_on();
}

TEST_F(FailingDisk, a_directory_that_cannot_be_written_is_refused_before_the_work) {
  const char* as_nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups ";
  if (getuid() == 0 &&
      place->shell("chmod 755 . && " + std::string(as_nobody) + ATTUNE_PROGRAM " --version").code != 0) {
    GTEST_SKIP() << "root can write everywhere, and there is no setpriv to be somebody else";
  }
  const std::string before = getuid() == 0 ? as_nobody : "";
  place->shell("chmod -R a-w run; mkdir -p shut; chmod a-w shut");
  for (const std::string directory : {"run", "shut", "shut/new", "shut/a/b"}) {
    SCOPED_TRACE(directory);
    const Ran ran = place->run(TrainingPlace::command(directory, form + "--max-update 24"), before);
    expect_one_error(ran, 1);
    EXPECT_NE(ran.err.find(directory + ": "), std::string::npos) << ran.err;
    EXPECT_NE(ran.err.find("Permission denied"), std::string::npos) << ran.err;
  }
  place->shell("chmod -R u+w run shut");
  EXPECT_TRUE(place->names_in("shut").empty());
  expect_to_go_on();
}

TEST_F(FailingDisk, a_corpus_that_vanished_or_changed_is_refused_and_the_run_waits_for_it) {
  struct Row {
    const char* file;
    const char* with;  // nullptr: nothing
    int code;
    const char* says;
  };
  for (const Row& row :
       {Row{"train.en", nullptr, 1, "train.en: no such file"},
        Row{"train.vi", "", 1, "train.vi: expected at least one line"},
        Row{"train.vi", "một dòng\n", 1, "train.vi has 1"}, Row{"valid.en", nullptr, 1, "valid.en: no such file"}}) {
    SCOPED_TRACE(row.says);
    const std::string content = place->read(row.file);
    fs::remove(place->path(row.file));
    if (row.with != nullptr) {
      place->write(row.file, row.with);
    }
    const Ran ran = place->run(command());
    place->write(row.file, content);
    expect_one_error(ran, row.code);
    EXPECT_NE(ran.err.find(row.says), std::string::npos) << ran.err;
  }
  const std::string source = place->read("train.en");
  place->write("train.en", source.substr(source.find('\n') + 1) + source.substr(0, source.find('\n') + 1));
  const Ran shifted = place->run(command());
  place->write("train.en", source);
  expect_one_error(shifted, 2);
  EXPECT_NE(shifted.err.find("training examples' checksum"), std::string::npos) << shifted.err;
  expect_to_go_on();
}

TEST_F(FailingDisk, a_directory_taken_away_while_training_is_not_made_anew) {
  Process program(*place, command("--max-update 1000000"));
  ASSERT_TRUE(program.wait_until([] { return place->checkpoints("run").back() >= 16; })) << program.wait().err;
  fs::rename(place->path("run"), place->path("away"));
  const Ran ran = program.wait();
  expect_one_error(ran, 1);
  EXPECT_NE(ran.err.find("No such file or directory"), std::string::npos) << ran.err;
  EXPECT_FALSE(fs::exists(place->path("run")));
  fs::rename(place->path("away"), place->path("run"));
  const int reached = nlohmann::json::parse(lines_of(place->read("run/training.jsonl")).back())["update"];
  const std::string upto = "--max-update " + std::to_string(reached + 3);
  ASSERT_EQ(place->run(command(upto)).code, 0);
  ASSERT_EQ(place->run(TrainingPlace::command("as-long", form + upto)).code, 0);
  place->expect_same_run("as-long", "run", TrainingPlace::Compare::without_checkpoints);
}

TEST_F(FailingDisk, a_second_training_in_the_directory_is_refused_until_the_first_is_gone) {
  for (const int signal : {SIGINT, SIGKILL}) {
    SCOPED_TRACE(signal);
    Process first(*place, command("--max-update 1000000"));
    ASSERT_TRUE(first.wait_until([] { return place->checkpoints("run").back() >= 16; })) << first.wait().err;
    const Ran second = place->run(command("--max-update 1000000"));
    expect_one_error(second, 1);
    EXPECT_NE(second.err.find("run: another training (process " + std::to_string(first.id()) + ")"), std::string::npos)
        << second.err;
    first.send(signal);
    EXPECT_EQ(first.wait().code, 128 + signal);
    const Ran third = place->run(command("--max-update 14 --lr 7"));  // refused for its own reason: the lock is free
    EXPECT_NE(third.err.find("\n  lr: "), std::string::npos) << third.err;
    start();
  }
  EXPECT_FALSE(fs::exists(place->path("run/train.lock")));
}

TEST_F(FailingDisk, after_a_failure_before_the_first_checkpoint_other_settings_may_be_tried) {
  fs::remove_all(place->path("run"));
  const Ran diverged =
      place->run(command("--tokenizer bpe --vocab-size 100 --joint-vocabulary --lr 1e9 --optimizer sgd "
                         "--clip-norm 0 --lr-scheduler constant --warmup-updates 0 --save-freq 100"));
  expect_one_error(diverged, 1);
  EXPECT_NE(diverged.err.find("there is no checkpoint yet"), std::string::npos) << diverged.err;
  EXPECT_TRUE(fs::exists(place->path("run/joint.spm")));
  const Ran ran = place->run(command());
  ASSERT_EQ(ran.code, 0) << ran.err;
  place->expect_same_run("whole", "run", TrainingPlace::Compare::all);
}

}  // namespace
}  // namespace attune
