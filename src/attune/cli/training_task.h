// What each task brings to a training run: the files it reads and what it makes of them. The table has a row for every
// task of models/task.h.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "attune/cli/training_run.h"
#include "attune/models/model_directory.h"
#include "attune/train/objective.h"

namespace attune::cli {

// Everything that a run needs in memory; lives as long as the run.
class PreparedTraining {
 public:
  virtual ~PreparedTraining() = default;

  virtual Objective& objective() = 0;  // its network's parameters are declared, not allocated
  virtual void say_what_was_read() const = 0;
  virtual void say_what_is_trained() = 0;
  // Writes config.json, tokenizers and the like, with which a model directory begins.
  virtual void start_directory(const std::string& directory) const = 0;
  // Of the validation files: a resumed run must have the same.
  virtual std::map<std::string, std::string> identity() const = 0;
  // Behind the training: what more there is to say of the model that came out, beside its last validation.
  virtual void say_how_good() {}
};

struct TrainingTask {
  std::string_view word;
  // Throws what can be told before anything is read; config, options, directory and --train are checked already.
  void (*check)(const TrainingRun& run);
  // Reads the files.
  std::unique_ptr<PreparedTraining> (*prepare)(const TrainingRun& run);
};
const TrainingTask& training_task(std::string_view word);

// Whether a training run has been here, finished or not: then its tokenizers hold.
bool holds_a_run(const std::string& directory);
// Throws when the directory holds a model that no run left there.
void check_free_for_a_run(const std::string& directory);
// Those of the run that is in the directory or of the model that it starts from, else trained on these lines. Throws
// when the directory holds a model that no run left there.
Tokenizers prepare_tokenizers(const TrainingRun& run, std::span<const std::string> source,
                              std::span<const std::string> target);
// The config of a model that reads and writes their pieces.
ModelConfig sized(ModelConfig config, const Tokenizers& tokenizers);

// Learnt positions and spatial gating end at max-positions: no sentence may reach beyond (</s> or <s> takes a place
// too).
void check_positions(const TrainingRun& run);
// The same of the sequences that are cut from a text. Of the two mixers, the task has one and leaves the other as it
// is.
void check_sequence_length(const TrainingRun& run);
// What a model of text begins with.
void start_model_directory(const std::string& directory, const ModelConfig& config, const Tokenizers& tokenizers);

// Rows of the table.
void check_translation_run(const TrainingRun& run);
std::unique_ptr<PreparedTraining> prepare_translation(const TrainingRun& run);
void check_masked_language_model_run(const TrainingRun& run);
std::unique_ptr<PreparedTraining> prepare_masked_language_model(const TrainingRun& run);
void check_language_model_run(const TrainingRun& run);
std::unique_ptr<PreparedTraining> prepare_language_model(const TrainingRun& run);
void check_classification_run(const TrainingRun& run);
std::unique_ptr<PreparedTraining> prepare_classification(const TrainingRun& run);
void check_tagging_run(const TrainingRun& run);
std::unique_ptr<PreparedTraining> prepare_tagging(const TrainingRun& run);
void check_image_classification_run(const TrainingRun& run);
std::unique_ptr<PreparedTraining> prepare_image_classification(const TrainingRun& run);

}  // namespace attune::cli
