// One training run from files to a model directory, as `train`, `compare` and `demo` start it: corpora, tokenizers,
// model, trainer, and what is said meanwhile on standard error.
#pragma once

#include <string>
#include <vector>

#include "attune/cli/option_table.h"
#include "attune/models/config.h"
#include "attune/train/options.h"
#include "attune/train/trainer.h"

namespace attune::cli {

struct TrainingRun {
  std::string directory;  // of the model
  // Of a translation model a source and a target file, or one TSV file; of language models, masked or not, files of
  // text or of prompt<TAB>completion. valid may be empty.
  std::vector<std::string> train, valid;
  std::string from = {};  // a model directory that encoder and tokenizer start from; empty: from nothing
  ModelConfig config = {};
  TrainOptions options = {};
};

// The flags of a run but --model. adopt_settings() must follow when the table has read them.
void add_run(OptionTable& table, TrainingRun& run);
// With --from: the model's settings that were not given are those of the model that is started from.
void adopt_settings(TrainingRun& run, const OptionTable& table);

// What can be told before anything is read: settings that cannot work, a directory that cannot be written.
void check_run(const TrainingRun& run);

// Trains, or goes on where an interrupted run stopped. Ctrl-C saves and returns with `interrupted`.
TrainResult run_training(const TrainingRun& run);

}  // namespace attune::cli
