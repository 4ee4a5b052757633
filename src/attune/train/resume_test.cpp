#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "attune/tensor/atomic_file.h"
#include "attune/train/bigram_model_test.h"
#include "attune/train/checkpoint.h"
#include "attune/train/resume.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

// training.jsonl without what the clock says.
std::vector<std::string> log_of(const std::string& directory) {
  std::ifstream file(directory + "/training.jsonl");
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    auto json = nlohmann::json::parse(line);
    json.erase("seconds");
    json.erase("tokens_per_second");
    lines.push_back(json.dump());
  }
  return lines;
}

void damage(const std::string& path) {
  std::string content = read_file(path);
  content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
  std::ofstream(path, std::ios::binary) << content;
}

struct Variant {
  const char* name;
  TrainOptions options;
};

std::vector<Variant> variants() {
  std::vector<Variant> list(7, {"", small_options()});
  list[0].name = "adam";
  list[1].name = "adamw, moving average, two batches an update";
  list[1].options.optimizer = "adamw";
  list[1].options.weight_decay = 0.1;
  list[1].options.ema_decay = 0.9;
  list[1].options.update_freq = 2;
  list[2].name = "momentum";
  list[2].options.optimizer = "sgd";
  list[2].options.nesterov = true;
  list[2].options.lr = 0.3;
  list[3].name = "best of frequent validations";
  list[3].options.keep_best = true;
  list[3].options.valid_freq = 3;
  list[3].options.lr = 10;  // the best comes early
  list[3].options.lr_scheduler = "constant";
  list[4].name = "plateau";
  list[4].options.lr_scheduler = "plateau";
  list[4].options.valid_freq = 2;
  list[4].options.lr = 2;
  list[5].name = "average of checkpoints";
  list[5].options.average_last = 5;  // 50, 49, 42, 35, 28, but not where it was interrupted
  list[5].options.save_freq = 7;
  list[6].name = "saved and validated at the ends of epochs";
  list[6].options.save_freq = 0;
  list[6].options.average_last = 2;
  return list;
}

void expect_equal_runs(const Outcome& whole, const std::string& whole_at, const Outcome& resumed,
                       const std::string& resumed_at, const std::string& what) {
  EXPECT_EQ(whole.weights, resumed.weights) << what;
  EXPECT_EQ(whole.result.best_valid_nll, resumed.result.best_valid_nll) << what;
  EXPECT_EQ(whole.result.tokens, resumed.result.tokens) << what;
  EXPECT_EQ(log_of(whole_at), log_of(resumed_at)) << what;
  EXPECT_EQ(read_file(whole_at + "/model.safetensors"), read_file(resumed_at + "/model.safetensors")) << what;
}

TEST(Resume, interrupted_runs_have_the_bits_of_uninterrupted_ones) {
  for (const Variant& variant : variants()) {
    const TemporaryDirectory one;
    const Outcome whole = run_training(variant.options, {.directory = one.path});
    if (variant.options.keep_best) {
      EXPECT_LT(whole.result.best_update, 37) << "the last resumed run must bring its best along";
    }
    // Inside an epoch and an interval of reports, on a checkpoint, and late.
    for (const int64_t stop : {4, 20, 37}) {
      const TemporaryDirectory two;
      const Outcome first = run_training(variant.options, {.stop_before = stop, .directory = two.path});
      EXPECT_TRUE(first.result.interrupted);
      EXPECT_EQ(first.result.update, stop);
      EXPECT_TRUE(has_unfinished_run(two.path));
      const Outcome second = run_training(variant.options, {.directory = two.path});
      EXPECT_EQ(second.result.resumed_from, stop);
      expect_equal_runs(whole, one.path, second, two.path, variant.name + (" stopped at " + std::to_string(stop)));
    }
  }
}

TEST(Resume, higher_limits_continue_a_finished_run_with_the_same_bits) {
  TrainOptions options = small_options();
  options.keep_best = true;
  options.valid_freq = 6;
  const TemporaryDirectory one, two;
  const Outcome whole = run_training(options, {.directory = one.path});
  options.max_update = 25;
  const Outcome part = run_training(options, {.directory = two.path});
  EXPECT_EQ(part.result.stopped_by, "max-update");
  EXPECT_TRUE(has_finished_run(two.path));
  options.max_update = 50;
  const Outcome rest = run_training(options, {.directory = two.path});
  EXPECT_EQ(rest.result.resumed_from, 25);
  expect_equal_runs(whole, one.path, rest, two.path, "25 and 25");
}

TEST(Resume, minutes_are_counted_over_interruptions) {
  constexpr double one_update = 1e-9;  // shorter than any
  TrainOptions options = small_options();
  options.max_update = 0;
  options.max_minutes = 1000;
  const TemporaryDirectory directory;
  const Outcome part = run_training(options, {.stop_before = 5, .directory = directory.path});
  ASSERT_TRUE(part.result.interrupted);
  EXPECT_GT(part.result.seconds, 0);

  // Two more updates at least, unless the five before count.
  options.max_minutes = part.result.seconds / 60 + one_update;
  const Outcome rest = run_training(options, {.directory = directory.path});
  EXPECT_EQ(rest.result.resumed_from, 5);
  EXPECT_EQ(rest.result.stopped_by, "max-minutes");
  EXPECT_EQ(rest.result.update, 6);
  EXPECT_GT(rest.result.seconds, part.result.seconds);
  EXPECT_TRUE(run_training(options, {.directory = directory.path}).result.already_finished);

  options.max_minutes = rest.result.seconds / 60 + one_update;
  EXPECT_EQ(run_training(options, {.directory = directory.path}).result.update, 7) << "a raised limit goes on";
}

TEST(Resume, a_schedule_that_ends_with_the_minutes_holds_them_fast) {
  TrainOptions options = small_options();
  options.max_update = 0;
  options.max_minutes = 1000;
  options.lr_scheduler = "cosine";
  const TemporaryDirectory directory;
  run_training(options, {.stop_before = 8, .directory = directory.path});
  TrainOptions other = options;
  other.max_minutes = 2000;
  EXPECT_THROW(run_training(other, {.directory = directory.path}), Error);
  other.lr_scheduler = "constant";
  other.max_minutes = 0;
  EXPECT_THROW(check_options(other), UsageError);
  EXPECT_EQ(run_training(options, {.stop_before = 12, .directory = directory.path}).result.resumed_from, 8);
}

TEST(Resume, a_killed_run_goes_on_from_its_last_checkpoint) {
  const TrainOptions options = small_options();
  const TemporaryDirectory one, two;
  const Outcome whole = run_training(options, {.directory = one.path});
  run_training(options, {.stop_before = 25, .directory = two.path});
  // As if killed inside the writing of the checkpoint of update 25, some reports after that of update 20.
  const std::string base = two.path + "/checkpoints/step-25";
  fs::rename(base, base + ".tmp");
  fs::remove(base + ".tmp/manifest.json");
  const Outcome rest = run_training(options, {.directory = two.path});
  EXPECT_EQ(rest.result.resumed_from, 20);
  EXPECT_FALSE(fs::exists(base + ".tmp"));
  expect_equal_runs(whole, one.path, rest, two.path, "killed");
}

TEST(Resume, a_checkpoint_caught_between_two_renames_is_found) {
  const TrainOptions options = small_options();
  const TemporaryDirectory directory;
  run_training(options, {.stop_before = 25, .directory = directory.path});
  const std::string base = directory.path + "/checkpoints/step-25";
  fs::rename(base, base + ".old");
  const Outcome rest = run_training(options, {.directory = directory.path});
  EXPECT_EQ(rest.result.resumed_from, 25);
}

TEST(Resume, damaged_checkpoints_are_named_and_skipped) {
  const TrainOptions options = small_options();
  const TemporaryDirectory one;
  const Outcome whole = run_training(options, {.directory = one.path});
  for (const char* file : {"weights.safetensors", "buffers.safetensors", "state.json", "manifest.json"}) {
    const TemporaryDirectory two;
    run_training(options, {.stop_before = 25, .directory = two.path});
    const std::string path = two.path + "/checkpoints/step-25";
    if (std::string(file) == "manifest.json") {
      fs::resize_file(path + "/" + file, 20);
    } else {
      damage(path + "/" + file);
    }
    const Outcome rest = run_training(options, {.directory = two.path});
    EXPECT_EQ(rest.result.resumed_from, 20) << file;
    ASSERT_EQ(rest.notes.size(), 2U) << file;  // what is skipped, and what is used
    EXPECT_NE(rest.notes[0].find(path), std::string::npos) << rest.notes[0];
    EXPECT_NE(rest.notes[0].find(file), std::string::npos) << rest.notes[0];
    EXPECT_NE(rest.notes[1].find("step-20"), std::string::npos) << rest.notes[1];
    EXPECT_TRUE(fs::exists(path + ".damaged"));
    expect_equal_runs(whole, one.path, rest, two.path, file);
  }
}

TEST(Resume, nothing_is_overwritten_when_no_checkpoint_can_be_read) {
  const TrainOptions options = small_options();
  const TemporaryDirectory directory;
  run_training(options, {.stop_before = 15, .directory = directory.path});
  for (const int update : {10, 15}) {
    damage(directory.path + "/checkpoints/step-" + std::to_string(update) + "/state.json");
  }
  EXPECT_THROW(run_training(options, {.directory = directory.path}), Error);
  EXPECT_TRUE(fs::exists(directory.path + "/checkpoints/step-15/weights.safetensors"));
}

TEST(Resume, other_settings_are_refused_and_named) {
  TrainOptions options = small_options();
  const TemporaryDirectory directory;
  run_training(options, {.stop_before = 5, .directory = directory.path});
  TrainOptions other = options;
  other.lr = 0.1;
  other.label_smoothing = 0;
  other.log_freq = 3;
  try {
    run_training(other, {.directory = directory.path});
    ADD_FAILURE() << "resumed with another learning rate";
  } catch (const UsageError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("\n  lr: 0.02 in the checkpoint, 0.1 now"), std::string::npos) << message;
    EXPECT_NE(message.find("label-smoothing"), std::string::npos) << message;
    EXPECT_EQ(message.find("log-freq"), std::string::npos) << message;
  }
  other = options;
  other.max_update = 8;
  other.threads = 2;
  other.log_freq = 1;
  other.save_freq = 4;
  EXPECT_EQ(run_training(other, {.directory = directory.path}).result.resumed_from, 5);
}

TEST(Resume, another_corpus_or_model_is_refused) {
  const TrainOptions options = small_options();
  const TemporaryDirectory directory;
  run_training(options, {.stop_before = 5, .directory = directory.path});
  EXPECT_THROW(run_training(options, {.directory = directory.path}, {.vocabulary = 13}), UsageError);
  BigramModel model({});
  Batcher data(bigram_examples(300, 2), batch_options(options));
  TranslationObjective objective(model, data, options);
  TrainRun run;
  run.directory = directory.path;
  EXPECT_THROW(train(objective, options, run), UsageError);
}

TEST(Resume, a_key_younger_than_the_run_had_its_default) {
  const TrainOptions options = small_options();
  ModelConfig config;
  const auto now = run_config(options, config, {});
  auto saved = now;
  ASSERT_EQ(saved.erase("task") + saved.erase("valid-bleu") + saved.erase("word-dropout"), 3U);
  EXPECT_NO_THROW(check_same_run(saved, now, options, "here"));
  TrainOptions other = options;
  other.word_dropout = 0.1;
  EXPECT_THROW(check_same_run(saved, run_config(other, config, {}), other, "here"), UsageError);
}

TEST(Resume, a_finished_run_says_so_and_gives_its_model) {
  TrainOptions options = small_options();
  options.ema_decay = 0.9;
  const TemporaryDirectory directory;
  const Outcome first = run_training(options, {.directory = directory.path});
  const auto log = log_of(directory.path);
  const Outcome again = run_training(options, {.directory = directory.path});
  EXPECT_TRUE(again.result.already_finished);
  EXPECT_EQ(again.result.update, 50);
  EXPECT_EQ(again.result.tokens, first.result.tokens);
  EXPECT_EQ(again.weights, first.weights);
  EXPECT_EQ(log_of(directory.path), log);
  // Even when its checkpoints were thrown away.
  fs::remove_all(directory.path + "/checkpoints");
  EXPECT_TRUE(run_training(options, {.directory = directory.path}).result.already_finished);
}

TEST(Checkpoints, a_write_that_fails_leaves_the_earlier_ones) {
  const TemporaryDirectory directory;
  Checkpoints checkpoints(directory.path);
  TrainState state;
  state.update = 3;
  checkpoints.save(state, {{"w", Tensor::scalar(1)}}, {}, {});
  state.update = 4;
  EXPECT_THROW(checkpoints.save(state, {{"w", Tensor::scalar(1)}, {"w", Tensor::scalar(2)}}, {}, {}), Error);
  EXPECT_FALSE(fs::exists(checkpoints.path_of(4) + ".tmp"));
  ASSERT_TRUE(checkpoints.newest().checkpoint.has_value());
  EXPECT_EQ(checkpoints.newest().checkpoint->state.update, 3);
  EXPECT_TRUE(checkpoints.newest().skipped.empty());
}

TEST(Checkpoints, two_whole_states_and_the_weights_of_older_scheduled_ones_stay) {
  const TemporaryDirectory directory;
  Checkpoints checkpoints(directory.path);
  TrainState state;
  for (const int update : {10, 20, 25, 30, 40}) {
    state.update = update;
    state.scheduled = update != 25;  // 25: an interruption
    checkpoints.save(state, {{"w", Tensor::scalar(update)}}, {}, {.keep_weights = 3});
  }
  EXPECT_EQ(checkpoints.updates(), (std::vector<int64_t>{40, 30, 20}));
  EXPECT_FALSE(fs::exists(checkpoints.path_of(20) + "/state.json"));
  const auto weights = checkpoints.last_weights(5, 39, nullptr);
  ASSERT_EQ(weights.size(), 2U);
  EXPECT_EQ(weights[0].at("w").item(), 30);
  EXPECT_EQ(weights[1].at("w").item(), 20);
}

TEST(TrainState, comes_back_with_the_same_bits) {
  TrainState state;
  state.update = int64_t{1} << 40;
  state.interval.loss = 0.1 + 0.2;
  state.interval.nll = 1.0 / 3;
  state.reported.seconds = 1e-300;
  state.tokens = int64_t{1} << 41;
  state.best_nll = 2.0000000000000004;
  state.plateau_scale = 0.1;
  state.config = {{"lr", "0.1"}, {"x", "\"\n"}};
  const TrainState back = read_state(to_json(state), "state");
  EXPECT_EQ(to_json(back), to_json(state));
  EXPECT_EQ(back.interval.loss, state.interval.loss);
  EXPECT_EQ(back.best_nll, state.best_nll);
  EXPECT_EQ(back.config, state.config);
  EXPECT_THROW(read_state("{}", "state"), Error);
  EXPECT_THROW(read_state("nonsense", "state"), Error);
}

}  // namespace
}  // namespace attune
