#include "attune/cli/training_run.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <variant>

#include "attune/autograd/parameter_files.h"
#include "attune/base/check.h"
#include "attune/base/parallel.h"
#include "attune/cli/console.h"
#include "attune/cli/interrupt.h"
#include "attune/cli/training_log.h"
#include "attune/cli/training_task.h"
#include "attune/models/architecture.h"
#include "attune/models/describe.h"
#include "attune/models/task.h"
#include "attune/nn/initialise.h"
#include "attune/tensor/safetensors.h"
#include "attune/train/directory_lock.h"
#include "attune/train/final_model.h"
#include "attune/train/manifest.h"

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

// Weights of another model, and which they are, in one line.
void start_from(Network& network, const std::string& directory) {
  const std::string file = model_path(directory);
  const Matched matched = load_matching(network.parameters(), read_safetensors(file), file);
  check(!matched.taken.empty(), file, ": holds no tensor of this model");
  const auto listed_shortly = [](const std::vector<std::string>& names) {
    constexpr size_t most = 4;
    const std::vector<std::string> some(names.begin(),
                                        names.begin() + static_cast<std::ptrdiff_t>(std::min(most, names.size())));
    return fmt::format("{}{}", fmt::join(some, ", "), names.size() > most ? ", ..." : "");
  };
  note("{}: {} tensors taken; {} start anew{}{}; {} left there{}{}", directory, matched.taken.size(),
       matched.anew.size(), matched.anew.empty() ? "" : ": ", listed_shortly(matched.anew), matched.left.size(),
       matched.left.empty() ? "" : ": ", listed_shortly(matched.left));
}

// The weights that the run begins with, and, where no run has been before, the files beside them.
void start(Network& network, const PreparedTraining& training, const TrainingRun& run) {
  network.parameters().allocate();
  initialise(network.parameters(), Rng(run.options.seed).stream("initialise"));
  if (!holds_a_run(run.directory)) {
    if (!run.from.empty()) {
      start_from(network, run.from);
    }
    training.start_directory(run.directory);
  }
}

}  // namespace

void add_run(OptionTable& table, TrainingRun& run) {
  constexpr int most_files = 1000;
  table.add(
      "train", &run.train,
      "the training data: source and target file, or one file of source<TAB>target; of language models, masked or "
      "not, files of text, one sentence or paragraph a line",
      {1, most_files, "FILE"});
  table.add("valid", &run.valid, "the same for validation; without it there is none", {1, most_files, "FILE"});
  table.add("from", &run.from,
            "start from encoder and tokenizer of this model (not for translation), whose settings hold where no other "
            "are given",
            {1, 1, "DIR"});
}

void adopt_settings(TrainingRun& run, const OptionTable& table) {
  if (run.from.empty()) {
    return;
  }
  check_usage(is_encoder_task(run.config),
              "--from: starts an encoder-only model; give its task, e.g. --task masked_language_model");
  for (const char* key : {"tokenizer", "vocab-size", "lowercase"}) {
    check_usage(!table.given(key), "--", key, ": the tokenizer comes from ", run.from, "; leave it out");
  }
  ModelConfig config = load_config(run.from);
  check_usage(is_encoder_task(config), "--from: ", run.from, " holds a model for ", config.task,
              ", expected an encoder-only one");
  std::map<std::string, std::variant<int, bool, double, std::string>> own;
  ModelConfig::visit(run.config, [&](const char* key, const auto& value, const char*) { own[key] = value; });
  ModelConfig::visit(config, [&](const std::string& key, auto& value, const char*) {
    const bool of_data = key == "labels" || key == "image-size" || key == "image-channels";
    if (key == "task" || of_data || table.given(key) || !means_something(run.config, key)) {
      value = std::get<std::decay_t<decltype(value)>>(own.at(key));
    }
  });
  run.config = config;
}

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
  training->say_what_was_read();
  Objective& objective = training->objective();
  Network& network = objective.network();
  check_memory(network.config(), run.options);
  training->say_what_is_trained();
  if (const auto baseline = objective.baseline()) {
    note("{} on the validation data", text_of(*baseline));
  }
  start(network, *training, run);

  TrainingLog log(run.options, task_of_name(run.config.task).has_perplexity);
  const InterruptGuard guard;
  TrainRun trainer;
  trainer.directory = run.directory;
  trainer.callbacks.report = [&](const Report& report) { log.report(report); };
  trainer.callbacks.progress = [&](const Progress& progress) { log.progress(progress); };
  trainer.callbacks.stop = [] { return InterruptGuard::requested(); };
  trainer.callbacks.note = [](const std::string& line) { note_line(line); };
  trainer.identity = training->identity();
  if (!run.from.empty()) {
    const Manifest::File from = describe_file(model_path(run.from));
    trainer.identity["from"] = fmt::format("{} bytes, checksum {:08x}", from.size, from.crc32);
  }
  const TrainResult result = attune::train(objective, run.options, trainer);
  show_progress("");
  if (!result.interrupted && !result.already_finished) {
    training->say_how_good();
  }
  return result;
}

}  // namespace attune::cli
