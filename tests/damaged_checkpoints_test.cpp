// Checkpoints that are cut, flipped, empty or gone are named and skipped, and the run still ends with the right bits;
// resuming with other settings is refused by the name of every key that differs.
#include <gtest/gtest.h>

#include <set>

#include "attune/base/error_of_test.h"
#include "attune/models/architecture.h"
#include "attune/tensor/atomic_file.h"
#include "attune/train/manifest.h"
#include "attune/train/options.h"
#include "process.h"
#include "training_place.h"

namespace attune {
namespace {

namespace fs = std::filesystem;
using testing::expect_one_error;
using testing::Ran;
using testing::TrainingPlace;

const std::vector<std::string> checkpoint_files{"weights.safetensors", "buffers.safetensors", "state.json",
                                                "manifest.json"};

struct Damage {
  const char* name;
  void (*to)(const std::string& path);
};
const std::vector<Damage> damages{
    {"cut", [](const std::string& path) { fs::resize_file(path, fs::file_size(path) / 2); }},
    {"empty", [](const std::string& path) { fs::resize_file(path, 0); }},
    {"missing", [](const std::string& path) { fs::remove(path); }},
    {"flipped",
     [](const std::string& path) {
       std::string content = read_file(path);
       content[content.size() / 3] = static_cast<char>(content[content.size() / 3] ^ 0x10);
       std::ofstream(path, std::ios::binary) << content;
     }},
    {"a directory",
     [](const std::string& path) {
       fs::remove(path);
       fs::create_directory(path);
     }},
};

// The manifest agrees with what is there: only reading it tells.
void sign(const std::string& directory) {
  Manifest manifest = read_manifest(directory);
  for (auto& [name, file] : manifest.files) {
    file = describe_file(directory + "/" + name);
  }
  write_manifest(directory, manifest);
}

struct BadContent {
  const char* file;
  const char* content;
};
const std::vector<BadContent> bad_contents{
    {"state.json", "{\"update\": 14,"},
    {"state.json", "[]"},
    {"state.json", "{\"update\": 1e300}"},
    {"state.json", "nonsense"},
    {"weights.safetensors", ""},
    {"weights.safetensors", "\xff\xff\xff\xff\xff\xff\xff\xff{}"},
    {"buffers.safetensors", "xxxxxxxxxxxxxxxx"},
};

class DamagedCheckpoints : public testing::HalfTrained {
 protected:
  // Checkpoints at 12 and 14.
  static std::string newest(const std::string& file) { return place->path("run/checkpoints/step-14/" + file); }
  static Ran resume(const std::string& more = "--max-update 24 --save-freq 100") {
    return place->run(TrainingPlace::command("run", form + more));
  }
  static void expect_skipped_and_equal(const Ran& ran, const std::string& says) {
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_NE(ran.err.find("skipped a damaged checkpoint: run/checkpoints/step-14: "), std::string::npos) << ran.err;
    EXPECT_NE(ran.err.find(says), std::string::npos) << ran.err;
    EXPECT_NE(ran.err.find("resumed from run/checkpoints/step-12"), std::string::npos) << ran.err;
    place->expect_same_run("whole", "run", TrainingPlace::Compare::without_checkpoints);
  }
};

TEST_F(DamagedCheckpoints, each_file_s_damage_is_named_and_the_checkpoint_before_is_used) {
  for (const std::string& file : checkpoint_files) {
    for (const Damage& damage : damages) {
      SCOPED_TRACE(file + " " + damage.name);
      start();
      damage.to(newest(file));
      expect_skipped_and_equal(resume(), file);
    }
  }
}

TEST_F(DamagedCheckpoints, content_that_only_reading_finds_wrong_is_damage_too) {
  for (const BadContent& bad : bad_contents) {
    SCOPED_TRACE(std::string(bad.file) + ": " + bad.content);
    start();
    std::ofstream(newest(bad.file), std::ios::binary) << bad.content;
    sign(newest(""));
    expect_skipped_and_equal(resume(), bad.file);
  }
}

TEST_F(DamagedCheckpoints, what_a_crash_left_half_written_is_taken_for_nothing) {
  fs::rename(newest(""), place->path("run/checkpoints/step-16.tmp"));
  fs::remove(place->path("run/checkpoints/step-16.tmp/manifest.json"));
  fs::create_directory(place->path("run/checkpoints/step-18.tmp"));
  const Ran ran = resume();
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.err.find("resumed from run/checkpoints/step-12"), std::string::npos) << ran.err;
  EXPECT_EQ(ran.err.find("skipped"), std::string::npos) << ran.err;
  place->expect_same_run("whole", "run", TrainingPlace::Compare::without_checkpoints);
  for (const std::string& name : place->names_in("run/checkpoints")) {
    EXPECT_FALSE(name.ends_with(".tmp")) << name;
  }
}

TEST_F(DamagedCheckpoints, when_none_is_left_there_is_one_message_and_nothing_is_lost) {
  for (const char* step : {"step-12", "step-14"}) {
    damages[0].to(place->path("run/checkpoints/" + std::string(step) + "/weights.safetensors"));
  }
  const auto before = place->files_of("run", true);
  const Ran ran = resume();
  expect_one_error(ran, 1);
  for (const char* words : {"step-12", "step-14", "none of its checkpoints can be read"}) {
    EXPECT_NE(ran.err.find(words), std::string::npos) << ran.err;
  }
  EXPECT_EQ(place->files_of("run", true), before);
}

// ---- Other settings
// ---------------------------------------------------------------------------------------------------

// Another value of each key; what may change when a run is resumed has none of its own. A new key without a row fails.
const std::map<std::string, std::string> other_values{
    {"seed", "2"},
    {"batch-tokens", "301"},
    {"update-freq", "2"},
    {"max-train-length", "255"},
    {"optimizer", "adamw"},
    {"lr", "0.02"},
    {"lr-scheduler", "constant"},
    {"warmup-updates", "5"},
    {"min-lr", "0.001"},
    {"lr-shrink", "0.4"},
    {"adam-beta1", "0.8"},
    {"adam-beta2", "0.9"},
    {"adam-epsilon", "1e-8"},
    {"weight-decay", "0.1"},
    {"momentum", "0.8"},
    {"nesterov", "true"},
    {"clip-norm", "2"},
    {"label-smoothing", "0"},
    {"word-dropout", "0.1"},
    {"ema-decay", "0.8"},
    {"average-last", "2 --ema-decay 0"},
    {"valid-freq", "5"},
    {"keep-best", "true"},
    {"compute-type", "bfloat16"},
    {"encoder-layers", "2"},
    {"decoder-layers", "2"},
    {"width", "18"},
    {"heads", "4"},
    {"feed-forward", "33"},
    {"encoder-mixer", "mean"},
    {"decoder-mixer", "convolution"},
    {"cross-mixer", "mean"},
    {"kernel-width", "5"},
    {"channels", "12"},
    {"encoder-gradient", "0.5"},
    {"normaliser", "sigmoid"},
    {"attention-norm", "rms_norm"},
    {"window", "64"},
    {"dilation", "2"},
    {"global-tokens", "1"},
    {"sparse-pattern", "fixed"},
    {"stride", "16"},
    {"summary", "4"},
    {"block", "16"},
    {"window-blocks", "1"},
    {"global-blocks", "1"},
    {"random-blocks", "1"},
    {"lsh-hashes", "4"},
    {"lsh-chunk", "16"},
    {"lsh-sees-itself", "true"},
    {"projected-length", "32"},
    {"projection-sharing", "layers"},
    {"features", "8"},
    {"feature-kernel", "relu"},
    {"feature-redraw", "false"},
    {"landmarks", "8"},
    {"landmark-rounds", "3"},
    {"value-kernel", "3"},
    {"norm-position", "post"},
    {"norm", "rms_norm"},
    {"norm-epsilon", "1e-6"},
    {"activation", "gelu"},
    {"gated-feed-forward", "true"},
    {"biases", "false"},
    {"spatial-gate", "additive"},
    {"spatial-toeplitz", "true"},
    {"spatial-heads", "2"},
    {"spatial-norm-epsilon", "1e-6"},
    {"spatial-initialiser", "'normal(0.01)'"},
    {"tiny-attention", "8"},
    {"tiny-attention-heads", "2"},
    {"positions", "none"},
    {"max-positions", "1000"},
    {"gru-reset", "before"},
    {"bidirectional", "true"},
    {"reverse-source", "true"},
    {"source-vector", "every_step"},
    {"forget-bias", "0"},
    {"recurrent-initialiser", "xavier_normal"},
    {"cell", "gru"},
    {"input-feeding", "false"},
    {"attention-window", "local-m"},
    {"window-reach", "5"},
    {"paper-initialisation", "true"},
    {"tied-embeddings", "none"},
    {"embedding-scale", "false"},
    {"survival", "0.9"},
    {"reversible", "true"},
    {"feed-forward-chunk", "8"},
    {"embedding-norm", "true"},
    {"prediction-transform", "true"},
    {"next-sentence", "true"},
    {"sequence-length", "64"},
    {"completions", "true"},
    {"whole-word-masking", "true"},
    {"pooling", "first"},
    {"binary-head", "true"},
    {"labels", "3"},
    {"image-size", "28"},
    {"image-channels", "3"},
    {"patch-size", "2"},
    {"shift", "1"},
    {"dropout", "0.2"},
    {"embedding-dropout", "0"},
    {"attention-dropout", "0"},
    {"activation-dropout", "0.1"},
    {"initialiser", "xavier_normal"},
    {"embedding-initialiser", "'normal(0.02)'"},
    {"tokenizer", "bpe"},
    {"vocab-size", "100"},
    {"joint-vocabulary", "true"},
    {"lowercase", "true"},
};
const std::map<std::string, std::string> free_values{
    {"threads", "2"},  {"max-update", "13"}, {"max-epoch", "29"},    {"max-minutes", "50"}, {"patience", "100"},
    {"log-freq", "1"}, {"save-freq", "3"},   {"valid-bleu", "true"}, {"keep-last", "1"},    {"valid-beam-size", "2"},
};

// Whether the checkpoint's architecture reads a key.
bool is_read(const std::string& key) {
  return testing::error_of([&] { check_key(ModelConfig{}, key, key); }) == "no error";
}

std::set<std::string> all_keys() {
  std::set<std::string> keys;
  const auto keep = [&](const char* key, const auto&, const char*) { keys.insert(key); };
  const TrainOptions options;
  const ModelConfig config;
  TrainOptions::visit(options, keep);
  ModelConfig::visit(config, keep);
  return keys;
}

TEST_F(DamagedCheckpoints, every_setting_but_limits_threads_and_logging_is_refused_by_its_name) {
  const auto before = place->files_of("run", true);
  for (const std::string& key : all_keys()) {
    SCOPED_TRACE(key);
    const bool may_change = free_values.count(key) == 1;
    const auto& values = may_change ? free_values : other_values;
    if (key == "architecture" || key == "task") {
      // the other one does not read all that the form says
      const std::string other = key == "task" ? "masked_language_model" : "bahdanau";
      expect_one_error(resume("--max-update 14 --" + key + "=" + other), 2);
      continue;
    }
    ASSERT_EQ(values.count(key), 1U) << "a new key needs a row in a table above";
    const Ran ran = resume("--max-update 14 --" + key + "=" + values.at(key));
    if (may_change) {
      EXPECT_EQ(ran.code, 0) << ran.err;
      EXPECT_NE(ran.err.find("this run has finished"), std::string::npos) << ran.err;
    } else {
      expect_one_error(ran, 2);
      const std::string says = is_read(key) ? "\n  " + key + ": " : "--" + key + ": means nothing to";
      EXPECT_NE(ran.err.find(says), std::string::npos) << ran.err;
    }
  }
  EXPECT_EQ(place->files_of("run", true), before);
}

TEST_F(DamagedCheckpoints, all_that_differs_is_named_at_once) {
  place->write("other.en", place->read("train.en") + "a new line .\n");
  place->write("other.vi", place->read("train.vi") + "a new line .\n");
  std::string command = TrainingPlace::command(
      "run", form + "--max-update 24 --lr 0.5 --width 32 --tokenizer bpe --vocab-size 90 --log-freq 1");
  for (const auto& [before, now] : {std::pair<std::string, std::string>{"train.en train.vi", "other.en other.vi"},
                                    {"valid.en valid.vi", "test.en test.vi"}}) {
    command.replace(command.find(before), before.size(), now);
  }
  const Ran ran = place->run(command);
  expect_one_error(ran, 2);
  for (const char* key :
       {"lr", "width", "tokenizer", "vocab-size", "training examples", "valid (source)", "valid (target)"}) {
    EXPECT_NE(ran.err.find("\n  " + std::string(key)), std::string::npos) << key << " is not in: " << ran.err;
  }
  EXPECT_EQ(ran.err.find("\n  log-freq"), std::string::npos);
  EXPECT_EQ(ran.err.find("\n  heads"), std::string::npos);
}

TEST_F(DamagedCheckpoints, with_a_mean_of_checkpoints_their_distance_may_not_change) {
  const std::string mean = "--tokenizer words --average-last 2 --max-update 9 ";
  ASSERT_EQ(place->run(TrainingPlace::command("mean", mean)).code, 0);
  const Ran ran = place->run(TrainingPlace::command("mean", mean + "--save-freq 3"));
  expect_one_error(ran, 2);
  EXPECT_NE(ran.err.find("\n  save-freq: 4 in the checkpoint, 3 now"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace attune
