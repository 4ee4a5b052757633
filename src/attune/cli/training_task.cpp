#include "attune/cli/training_task.h"

#include <array>
#include <filesystem>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/cli/console.h"
#include "attune/train/trainer.h"

namespace attune::cli {

const TrainingTask& training_task(std::string_view word) {
  static constexpr std::array table{
      TrainingTask{"translation", check_translation_run, prepare_translation},
      TrainingTask{"masked_language_model", check_masked_language_model_run, prepare_masked_language_model},
      TrainingTask{"language_model", check_language_model_run, prepare_language_model},
      TrainingTask{"classification", check_classification_run, prepare_classification},
      TrainingTask{"tagging", check_tagging_run, prepare_tagging},
      TrainingTask{"image_classification", check_image_classification_run, prepare_image_classification},
  };
  return entry_of_word("task", word, table, &TrainingTask::word);
}

bool holds_a_run(const std::string& directory) {
  return has_unfinished_run(directory) || has_finished_run(directory);
}

void check_free_for_a_run(const std::string& directory) {
  check(!std::filesystem::exists(directory + "/model.safetensors"), directory,
        ": holds a model that no training run left there; train into another directory");
}

Tokenizers prepare_tokenizers(const TrainingRun& run, std::span<const std::string> source,
                              std::span<const std::string> target) {
  if (holds_a_run(run.directory)) {
    return load_tokenizers(run.directory, load_config(run.directory));  // the trainer compares all settings at once
  }
  check_free_for_a_run(run.directory);
  if (!run.from.empty()) {
    return load_tokenizers(run.from, load_config(run.from));
  }
  show_progress("training the tokenizer ...");
  return train_tokenizers(run.config, source, target);
}

ModelConfig sized(ModelConfig config, const Tokenizers& tokenizers) {
  config.source_vocabulary = tokenizers.source->vocab_size();
  config.target_vocabulary = tokenizers.target->vocab_size();
  return config;
}

void check_positions(const TrainingRun& run) {
  const ModelConfig& config = run.config;
  const TrainOptions& options = run.options;
  check_usage(!ends_at_max_positions(config) ||
                  (options.max_train_length > 0 && options.max_train_length < config.max_positions),
              "max-train-length is ", options.max_train_length, ", but with ", what_ends_at_max_positions(config),
              " and max-positions = ", config.max_positions, " sentences of at most ", config.max_positions - 1,
              " pieces can be learnt");
}

void check_sequence_length(const TrainingRun& run) {
  check_usage(!ends_at_max_positions(run.config) || run.options.sequence_length <= run.config.max_positions,
              "sequence-length is ", run.options.sequence_length, ", but ", what_ends_at_max_positions(run.config),
              " with max-positions = ", run.config.max_positions, " reaches no further than that");
}

void start_model_directory(const std::string& directory, const ModelConfig& config, const Tokenizers& tokenizers) {
  save_tokenizers(directory, config, tokenizers);
  save_config(directory, config);
}

}  // namespace attune::cli
