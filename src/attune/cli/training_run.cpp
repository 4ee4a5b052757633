#include "attune/cli/training_run.h"

#include <unistd.h>

#include <cmath>

#include "attune/base/check.h"
#include "attune/base/parallel.h"
#include "attune/cli/console.h"
#include "attune/cli/interrupt.h"
#include "attune/cli/training_log.h"
#include "attune/cli/training_task.h"
#include "attune/models/describe.h"
#include "attune/nn/initialise.h"
#include "attune/train/directory_lock.h"

namespace attune::cli {

namespace {

void check_memory(const ModelConfig& config, const TrainOptions& options) {
  DescribeOptions what;
  what.ema_decay = options.ema_decay;
  const int64_t needed = describe(config, what).training_state_bytes;
  const int64_t there = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGE_SIZE);
  check(needed < there, "training this model needs ", bytes_text(needed),
        " for weights, gradients and optimizer alone, ", "this machine has ", bytes_text(there),
        "; reduce width, feed-forward, layers or vocab-size");
}

}  // namespace

void check_run(const TrainingRun& run) {
  check_config(run.config);
  check_options(run.options);
  training_task(run.config.task).check(run);
  check_validation(run.options, !run.valid.empty());
  const DirectoryLock now(run.directory);  // to be had, and given back: nothing stays of it
}

TrainResult run_training(const TrainingRun& run) {
  check_run(run);
  set_threads(run.options.threads);
  const DirectoryLock lock(run.directory);
  const auto training = training_task(run.config.task).prepare(run);
  Objective& objective = training->objective();
  Network& network = objective.network();
  check_memory(network.config(), run.options);
  training->say_what_is_trained();
  if (const auto baseline = objective.baseline()) {
    note("{}: nll {:.4f}, perplexity {:.3f} on the validation data", baseline->title, baseline->nll,
         std::exp(baseline->nll));
  }
  network.parameters().allocate();
  initialise(network.parameters(), Rng(run.options.seed).stream("initialise"));
  if (!holds_a_run(run.directory)) {
    training->start_directory(run.directory);
  }

  TrainingLog log(run.options);
  const InterruptGuard guard;
  TrainRun trainer;
  trainer.directory = run.directory;
  trainer.callbacks.report = [&](const Report& report) { log.report(report); };
  trainer.callbacks.progress = [&](const Progress& progress) { log.progress(progress); };
  trainer.callbacks.stop = [] { return InterruptGuard::requested(); };
  trainer.callbacks.note = [](const std::string& line) { note_line(line); };
  trainer.identity = training->identity();
  const TrainResult result = attune::train(objective, run.options, trainer);
  show_progress("");
  return result;
}

}  // namespace attune::cli
