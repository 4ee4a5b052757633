#include "attune/train/trainer.h"

#include <chrono>
#include <cmath>
#include <filesystem>

#include "attune/autograd/parameter_files.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/tensor/safetensors.h"
#include "attune/train/checkpoint.h"
#include "attune/train/final_model.h"
#include "attune/train/limit.h"
#include "attune/train/optimizer.h"
#include "attune/train/resume.h"
#include "attune/train/schedule.h"
#include "attune/train/swapped_weights.h"
#include "attune/train/update.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

class Trainer {
 public:
  Trainer(Objective& objective, const TrainOptions& options, const TrainRun& run)
      : objective_(objective),
        parameters_(objective.network().parameters()),
        options_(options),
        run_(run),
        checkpoints_(run.directory + "/checkpoints"),
        log_(run.directory + "/training.jsonl"),
        optimizer_(optimizer_options(options), parameters_.flat_elements(), parameters_.dtype()) {
    if (options.ema_decay > 0) {
      average_ = parameters_.flat().clone();
    }
    state_.config = run_config(options, objective.network().config(), {objective.identity(), run.identity});
  }

  TrainResult train();

 private:
  bool resume();
  void restore(const Checkpoint& checkpoint);
  std::string limit() const { return reached_limit(options_, state_); }

  struct Place {
    int64_t epoch;
    int end, batches;  // the update reads up to batch `end` of so many
  };
  struct Figures {
    double norm, learning_rate, seconds;
  };
  struct Saving {
    bool scheduled;
  };
  int64_t update();  // returns its epoch, from 1
  UpdateGradient gradient_of_update(const Place& place);
  double apply(const UpdateGradient& gradient, double rate);
  void check_finite(const Tensor& weights) const;
  void count(const UpdateGradient& gradient, const Figures& figures);
  void after_update(int64_t epoch);
  Report report_of_interval(int64_t epoch);
  void emit(const Report& report);
  void validate(Report& report);
  void save(const Saving& saving);
  void finish();
  void note(const std::string& line) const {
    if (run_.callbacks.note) {
      run_.callbacks.note(line);
    }
  }
  bool due(int freq) const { return freq > 0 ? state_.update % freq == 0 : state_.batch == 0; }

  Objective& objective_;
  Parameters& parameters_;  // the network's
  const TrainOptions& options_;
  const TrainRun& run_;
  Checkpoints checkpoints_;
  ReportLog log_;
  Optimizer optimizer_;
  Tensor average_, best_;  // flat; moving average of the weights, best validated weights. Not given when off
  TrainState state_;
  TrainResult result_;
  int64_t saved_update_ = -1;
};

TrainResult Trainer::train() {
  const bool finished = has_finished_run(run_.directory);
  const bool resumed = resume();
  if (finished && (!resumed || !limit().empty())) {
    result_.already_finished = true;
    result_.stopped_by = limit();
    const std::string path = model_path(run_.directory);
    load_parameters(parameters_, read_safetensors(path), path);
  } else {
    fs::remove(finished_path(run_.directory));
    while (limit().empty() && !result_.interrupted) {
      if (run_.callbacks.stop && run_.callbacks.stop()) {
        result_.interrupted = true;
      } else {
        after_update(update());
      }
    }
    if (saved_update_ != state_.update && state_.update > 0) {
      save({.scheduled = false});
    }
    if (!result_.interrupted) {
      finish();
    }
  }
  result_.update = state_.update;
  result_.epochs = state_.epoch;
  result_.seconds = state_.seconds;
  result_.tokens = state_.tokens;
  result_.best_valid_nll = state_.best_nll;
  result_.best_update = state_.best_update;
  result_.baseline = objective_.baseline();
  return result_;
}

// ---- Resuming -------------------------------------------------------------------------------------------------------

bool Trainer::resume() {
  const Checkpoints::Found found = checkpoints_.newest();
  for (const std::string& skipped : found.skipped) {
    note("skipped a damaged checkpoint: " + skipped);
  }
  check(found.checkpoint || found.damaged.empty(), run_.directory,
        ": none of its checkpoints can be read; remove the directory to start anew");
  if (!found.checkpoint) {
    checkpoints_.clean(found);
    if (!has_finished_run(run_.directory)) {
      log_.keep(0);
    }
    return false;
  }
  check_same_run(found.checkpoint->state.config, state_.config, options_, run_.directory);
  restore(*found.checkpoint);
  checkpoints_.clean(found);
  saved_update_ = state_.update;
  result_.resumed_from = state_.update;
  note("resumed from " + checkpoints_.path_of(state_.update) + " (update " + std::to_string(state_.update) +
       ", epoch " + std::to_string(state_.epoch + 1) + ")");
  return true;
}

void Trainer::restore(const Checkpoint& checkpoint) {
  const std::string where = checkpoints_.path_of(checkpoint.state.update);
  load_parameters(parameters_, checkpoint.weights, where);
  const auto copy = [&](const std::string& name, Tensor& into) {
    const auto from = checkpoint.buffers.find(name);
    check(from != checkpoint.buffers.end() && from->second.shape() == into.shape(), where, ": has no buffer ", name,
          " ", into.shape());
    into.copy_from(from->second);
  };
  for (auto& [name, buffer] : optimizer_.state()) {
    copy("optimizer." + name, buffer);
  }
  if (average_) {
    copy("moving_average", average_);
  }
  if (checkpoint.buffers.count("best") != 0) {
    best_ = Tensor::empty({parameters_.flat_elements()}, parameters_.dtype());
    copy("best", best_);
  }
  auto config = std::move(state_.config);
  state_ = checkpoint.state;
  state_.config = std::move(config);
  optimizer_.set_steps(state_.optimizer_steps);
  if (!has_finished_run(run_.directory) || limit().empty()) {
    log_.keep(state_.log_lines);
  }
}

// ---- One update -----------------------------------------------------------------------------------------------------

int64_t Trainer::update() {
  const ProfileScope scope("update");
  const auto start = std::chrono::steady_clock::now();
  const Place place{state_.epoch, std::min(objective_.batches(state_.epoch), state_.batch + options_.update_freq),
                    objective_.batches(state_.epoch)};
  const UpdateGradient gradient = gradient_of_update(place);
  const double rate = learning_rate(
      options_, state_.update + 1,
      {.width = objective_.network().config().width, .plateau_scale = state_.plateau_scale, .seconds = state_.seconds});
  const double norm = apply(gradient, rate);
  ++state_.update;
  if (average_) {
    update_moving_average(average_, parameters_.flat(), options_.ema_decay, state_.update);
  }
  state_.batch = place.end == place.batches ? 0 : place.end;
  state_.epoch += place.end == place.batches ? 1 : 0;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  count(gradient, {.norm = norm, .learning_rate = rate, .seconds = seconds});
  if (run_.callbacks.progress) {
    run_.callbacks.progress({state_.update, place.epoch + 1, place.end, place.batches,
                             per(gradient.loss, gradient.counted), per(gradient.nll, gradient.counted), rate,
                             seconds > 0 ? static_cast<double>(gradient.tokens) / seconds : 0, state_.seconds});
  }
  return place.epoch + 1;
}

// An update does not reach into the next epoch: an epoch's last one may have fewer batches.
UpdateGradient Trainer::gradient_of_update(const Place& place) {
  UpdateGradient gradient;
  for (int index = state_.batch; index < place.end && std::isfinite(gradient.loss); ++index) {
    const auto loss = [&](const Pass& pass) { return objective_.loss(place.epoch, index, pass); };
    add_batch(gradient, parameters_, loss, options_, {.update = state_.update + 1, .batch = index - state_.batch});
  }
  return gradient;
}

// Steps, and returns the norm of the gradient per token before clipping.
double Trainer::apply(const UpdateGradient& gradient, double rate) {
  const bool finite_loss = std::isfinite(gradient.loss);
  const double norm = finite_loss ? per(norm_of(gradient.sum->flat()), gradient.counted) : 0;
  check(finite_loss && std::isfinite(norm), "training stopped at update ", state_.update + 1, ": the ",
        finite_loss ? "gradient's norm" : "loss", " is ", finite_loss ? norm : gradient.loss, "; ",
        saved_update_ > 0 ? "the last checkpoint is " + checkpoints_.path_of(saved_update_)
                          : "there is no checkpoint yet",
        ". Try a lower lr, a longer warm-up or clip-norm in a new directory");
  const double clip = options_.clip_norm > 0 && norm > options_.clip_norm ? options_.clip_norm / norm : 1;
  Tensor flat = parameters_.flat();
  optimizer_.step(flat, gradient.sum->flat(),
                  {.learning_rate = rate, .gradient_scale = clip / static_cast<double>(gradient.counted)});
  return norm;
}

// A finite gradient can still throw the weights out of range: they are never written.
void Trainer::check_finite(const Tensor& weights) const {
  check(std::isfinite(norm_of(weights)), "training stopped at update ", state_.update,
        ": the weights are no longer finite; ",
        saved_update_ > 0 ? "the last checkpoint is " + checkpoints_.path_of(saved_update_)
                          : "there is no checkpoint yet",
        ". Try a lower lr, a longer warm-up or clip-norm in a new directory");
}

void Trainer::count(const UpdateGradient& gradient, const Figures& figures) {
  Interval& interval = state_.interval;
  ++interval.updates;
  interval.loss += gradient.loss;
  interval.nll += gradient.nll;
  interval.counted += gradient.counted;
  interval.tokens += gradient.tokens;
  interval.gradient_norm += figures.norm;
  interval.learning_rate = figures.learning_rate;
  interval.seconds += figures.seconds;
  state_.seconds += figures.seconds;
  state_.tokens += gradient.tokens;
}

// ---- What follows an update -----------------------------------------------------------------------------------------

void Trainer::after_update(int64_t epoch) {
  const bool validates = objective_.has_validation() && due(options_.valid_freq);
  if (validates || state_.update % options_.log_freq == 0) {
    Report report = report_of_interval(epoch);
    if (validates) {
      validate(report);
    }
    emit(report);
  }
  if (due(options_.save_freq)) {
    save({.scheduled = true});
  }
}

Report Trainer::report_of_interval(int64_t epoch) {
  if (state_.interval.updates > 0) {
    state_.reported = state_.interval;
    state_.interval = {};
  }
  return report_of(state_, epoch);
}

void Trainer::emit(const Report& report) {
  log_.append(report);
  if (run_.callbacks.report) {
    run_.callbacks.report(report);
  }
}

// On the weights that would become the model; keeps them when they are the best so far and the best is wanted.
void Trainer::validate(Report& report) {
  const ProfileScope scope("validation");
  std::optional<SwappedWeights> averaged;
  if (average_) {
    averaged.emplace(parameters_, average_);
  }
  const ValidationFigures figures = objective_.validate();
  const double nll = figures.nll;
  report.valid_nll = result_.valid_nll = nll;
  report.valid_perplexity = std::exp(nll);
  report.valid_score = result_.valid_score = figures.score;
  const bool improved = std::isfinite(nll) && (!state_.best_nll || nll < *state_.best_nll);
  state_.validated_update = state_.update;
  state_.without_improvement = improved ? 0 : state_.without_improvement + 1;
  state_.plateau_scale = next_plateau_scale(options_, state_.plateau_scale, improved);
  if (improved) {
    state_.best_nll = nll;
    state_.best_update = state_.update;
    if (options_.keep_best) {
      best_ = parameters_.flat().clone();
    }
  }
}

void Trainer::save(const Saving& saving) {
  check_finite(parameters_.flat());
  state_.scheduled = saving.scheduled;
  state_.log_lines = log_.lines();
  state_.optimizer_steps = optimizer_.steps();
  NamedTensors buffers;
  for (const auto& [name, buffer] : optimizer_.state()) {
    buffers.emplace_back("optimizer." + name, buffer);
  }
  if (average_) {
    buffers.emplace_back("moving_average", average_);
  }
  if (best_) {
    buffers.emplace_back("best", best_);
  }
  // Scheduled ones: those an average needs, or the two whole ones and keep-last older ones.
  const int keep = std::max(options_.average_last, std::min(options_.keep_last, 1 << 30) + 2);
  checkpoints_.save(state_, named_tensors(parameters_), buffers, {.keep_weights = keep});
  saved_update_ = state_.update;
}

// ---- The end --------------------------------------------------------------------------------------------------------

// The last validation and the choice of weights come after the last checkpoint and are no part of it, so that a run
// that is continued with higher limits has the same bits as one that had them from the start.
void Trainer::finish() {
  result_.stopped_by = limit();
  if (state_.update > 0 && state_.validated_update != state_.update && objective_.has_validation()) {
    Report report = report_of_interval(state_.batch == 0 ? state_.epoch : state_.epoch + 1);
    validate(report);
    emit(report);
  }
  Tensor chosen = parameters_.flat().clone();
  if (best_) {
    chosen = best_;
  } else if (average_) {
    chosen = average_;
  } else if (options_.average_last > 1) {
    std::vector<std::string> skipped;
    chosen = average_weights(parameters_, checkpoints_, options_.average_last, state_.update, &skipped);
    for (const std::string& line : skipped) {
      note("left out of the average: " + line);
    }
  }
  check_finite(chosen);
  Tensor flat = parameters_.flat();
  flat.copy_from(chosen);
  write_model(run_.directory, parameters_, flat);
  write_finished(run_.directory, {.update = state_.update, .stopped_by = result_.stopped_by});
}

void check_directory(const std::string& directory) {
  check(!directory.empty(), "train: no model directory was given");
  std::error_code error;
  fs::create_directories(directory, error);
  check(!error && fs::is_directory(directory), directory,
        ": cannot be made a model directory: ", error ? error.message() : "it is no directory");
}

bool has_checkpoint(const std::string& directory) {
  return !Checkpoints(directory + "/checkpoints").updates().empty();
}

}  // namespace

void check_validation(const TrainOptions& options, bool there) {
  check_usage(there || !options.keep_best, "keep-best: needs validation data, give --valid");
  check_usage(there || options.patience == 0, "patience: needs validation data, give --valid");
  check_usage(there || options.lr_scheduler != "plateau", "lr-scheduler plateau: needs validation data, give --valid");
}

TrainResult train(Objective& objective, const TrainOptions& options, const TrainRun& run) {
  check_options(options);
  check(static_cast<bool>(objective.network().parameters().flat()),
        "train: allocate and initialise the model's parameters first");
  check_validation(options, objective.has_validation());
  check_directory(run.directory);
  set_threads(options.threads);
  return Trainer(objective, options, run).train();
}

bool has_unfinished_run(const std::string& directory) {
  return !has_finished_run(directory) && has_checkpoint(directory);
}

bool has_finished_run(const std::string& directory) {
  return fs::exists(finished_path(directory)) && fs::exists(model_path(directory));
}

}  // namespace attune
