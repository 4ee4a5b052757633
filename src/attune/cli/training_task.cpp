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
  };
  return entry_of_word("task", word, table, &TrainingTask::word);
}

bool holds_a_run(const std::string& directory) {
  return has_unfinished_run(directory) || has_finished_run(directory);
}

Tokenizers prepare_tokenizers(const TrainingRun& run, std::span<const std::string> source,
                              std::span<const std::string> target) {
  if (holds_a_run(run.directory)) {
    return load_tokenizers(run.directory, load_config(run.directory));  // the trainer compares all settings at once
  }
  check(!std::filesystem::exists(run.directory + "/model.safetensors"), run.directory,
        ": holds a model that no training run left there; train into another directory");
  if (!run.from.empty()) {
    return load_tokenizers(run.from, load_config(run.from));
  }
  show_progress("training the tokenizer ...");
  return train_tokenizers(run.config, source, target);
}

}  // namespace attune::cli
