// One training run from files to a model directory, as `train`, `compare` and `demo` start it: corpora, tokenizers,
// model, trainer, and what is said meanwhile on standard error.
#pragma once

#include <string>
#include <vector>

#include "attune/models/config.h"
#include "attune/train/options.h"
#include "attune/train/trainer.h"

namespace attune::cli {

struct TrainingRun {
  std::string directory;                  // of the model
  std::vector<std::string> train, valid;  // a source and a target file, or one TSV file; valid may be empty
  ModelConfig config = {};
  TrainOptions options = {};
};

// What can be told before anything is read: settings that cannot work, a directory that cannot be written.
void check_run(const TrainingRun& run);

// Trains, or goes on where an interrupted run stopped. Ctrl-C saves and returns with `interrupted`.
TrainResult run_training(const TrainingRun& run);

}  // namespace attune::cli
