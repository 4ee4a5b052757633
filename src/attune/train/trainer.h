// Training to the end of a run: updates, validations, reports, checkpoints, and the model that comes out. Everything is
// a function of (seed, update), so a run that was interrupted and resumed has the same bits as one that was not, with
// any number of threads (limits by time excepted: where they fall is up to the clock).
//
// In the model directory it keeps training.jsonl, checkpoints/ and, at the end, model.safetensors and finished.json;
// config.json and the tokenizers are the caller's, and so is a DirectoryLock.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "attune/train/objective.h"
#include "attune/train/options.h"
#include "attune/train/report.h"

namespace attune {

struct TrainCallbacks {
  std::function<void(const Report&)> report = {};      // every log-freq updates and after validations
  std::function<void(const Progress&)> progress = {};  // after each update
  std::function<bool()> stop = {};                     // asked before each update: true saves and returns
  std::function<void(const std::string&)> note = {};   // one line for the user: resumed from, skipped, saved
};

struct TrainRun {
  std::string directory;  // of the model; made when missing
  TrainCallbacks callbacks = {};
  // What else must be the same when the run is resumed (tokenizer, corpus files): key -> text. The options, the model's
  // config and the objective's identity are compared anyway.
  std::map<std::string, std::string> identity = {};
};

struct TrainResult {
  bool already_finished = false;  // nothing was left to do
  bool interrupted = false;       // by the stop callback; the same call resumes
  std::string stopped_by;         // max-update, max-epoch, max-minutes, patience; empty when interrupted
  int64_t update = 0;
  int64_t epochs = 0;                        // whole ones
  double seconds = 0;                        // spent in updates
  int64_t tokens = 0;                        // source and target, no padding, </s> included
  std::optional<int64_t> resumed_from = {};  // update
  std::optional<double> valid_nll = {};      // of the last validation in this call
  std::optional<Score> valid_score = {};
  std::optional<Baseline> baseline = {};
  std::optional<double> best_valid_nll = {};
  int64_t best_update = 0;  // of the best validation
};

// What needs validation data, before anything is read: throws a UsageError when there is none.
void check_validation(const TrainOptions& options, bool there);

// The network's parameters must be allocated and initialised; a resumed run overwrites them. At the end they are what
// was written to model.safetensors. Sets the number of threads. Throws a UsageError when the directory holds a run with
// other options, an Error when the loss or the gradient is not finite (the checkpoints stay as they are).
TrainResult train(Objective& objective, const TrainOptions& options, const TrainRun& run);

// Whether train() would resume an unfinished run in this model directory.
bool has_unfinished_run(const std::string& directory);
// Whether a run ended there; only raised limits make train() go on.
bool has_finished_run(const std::string& directory);

}  // namespace attune
