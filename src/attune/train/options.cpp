#include "attune/train/options.h"

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/base/text.h"

namespace attune {
namespace {

void check_ranges(const TrainOptions& o) {
  constexpr double most = 1e9;
  check_whole("threads", o.threads, {0, 4096});
  check_whole("max-update", o.max_update, {0});
  check_whole("max-epoch", o.max_epoch, {0});
  check_number("max-minutes", o.max_minutes, {0, most});
  check_whole("batch-tokens", o.batch_tokens, {1, 100'000'000});
  check_whole("update-freq", o.update_freq, {1});
  check_whole("max-train-length", o.max_train_length, {0});
  check_whole("sequence-length", o.sequence_length, {8, 1 << 20});
  check_whole("shift", o.shift, {0, 1024});
  check_number("lr", o.lr, {0, most});
  check_whole("warmup-updates", o.warmup_updates, {0});
  check_number("min-lr", o.min_lr, {0, most});
  check_number("lr-shrink", o.lr_shrink, {0, 1, true, true});
  check_number("adam-beta1", o.adam_beta1, {0, 1, false, true});
  check_number("adam-beta2", o.adam_beta2, {0, 1, false, true});
  check_number("adam-epsilon", o.adam_epsilon, {0, most, true, false});
  check_number("weight-decay", o.weight_decay, {0, most});
  check_number("momentum", o.momentum, {0, 1, false, true});
  check_number("clip-norm", o.clip_norm, {0, most});
  check_number("label-smoothing", o.label_smoothing, {0, 1, false, true});
  check_number("word-dropout", o.word_dropout, {0, 1, false, true});
  check_number("ema-decay", o.ema_decay, {0, 1, false, true});
  check_whole("average-last", o.average_last, {0});
  check_whole("patience", o.patience, {0});
  check_whole("log-freq", o.log_freq, {1});
  check_whole("save-freq", o.save_freq, {0});
  check_whole("valid-freq", o.valid_freq, {0});
  check_whole("keep-last", o.keep_last, {0});
  check_whole("valid-beam-size", o.valid_beam_size, {1, 10'000});
}

bool ends_with_the_run(const TrainOptions& o) {
  return o.lr_scheduler == "cosine" || o.lr_scheduler == "linear";
}

bool ends_with_the_minutes(const TrainOptions& o) {
  return ends_with_the_run(o) && o.max_update == 0 && o.max_minutes > 0;
}

}  // namespace

void check_options(const TrainOptions& o) {
  check_ranges(o);
  check_word("optimizer", o.optimizer, {"adam", "adamw", "sgd"});
  check_word("lr-scheduler", o.lr_scheduler,
             {"inverse_sqrt", "transformer", "cosine", "linear", "constant", "plateau"});
  check_word("compute-type", o.compute_type, {"float32", "bfloat16"});
  check_usage(o.max_update > 0 || o.max_epoch > 0 || o.max_minutes > 0 || o.patience > 0,
              "training would never end: set max-update, max-epoch, max-minutes or patience above 0");
  check_usage(!o.nesterov || o.momentum > 0, "nesterov: needs a momentum above 0, got 0");
  check_usage(!ends_with_the_run(o) || ends_with_the_minutes(o) || o.max_update > o.warmup_updates, "lr-scheduler ",
              o.lr_scheduler, ": ends at max-update, which must be above warmup-updates (", o.warmup_updates,
              ") or, with max-minutes, 0, got ", o.max_update);
  check_usage(o.min_lr <= o.lr || o.lr_scheduler == "transformer", "min-lr: expected at most lr (", o.lr, "), got ",
              o.min_lr);
  check_usage(o.average_last == 0 || o.ema_decay == 0,
              "average-last and ema-decay are two ways to average the weights: set one of them to 0");
  check_usage(o.average_last == 0 || !o.keep_best,
              "average-last and keep-best exclude each other: the model is either a mean or one validation's");
}

std::map<std::string, std::string> options_text(const TrainOptions& options) {
  std::map<std::string, std::string> text;
  TrainOptions::visit(options, [&](const char* key, const auto& value, const char*) { text[key] = text_of(value); });
  return text;
}

std::set<std::string> resumable_keys(const TrainOptions& options) {
  std::set<std::string> keys{"max-epoch", "max-minutes", "patience",   "threads",         "log-freq",
                             "save-freq", "keep-last",   "valid-bleu", "valid-beam-size", "max-update"};
  if (ends_with_the_run(options)) {
    keys.erase("max-update");
  }
  if (ends_with_the_minutes(options)) {
    keys.erase("max-minutes");
  }
  if (options.average_last > 0) {
    keys.erase("save-freq");  // the model is the mean of what was saved
  }
  return keys;
}

DType compute_type(const TrainOptions& options) {
  return dtype_of_name(options.compute_type);
}

BatchOptions batch_options(const TrainOptions& options) {
  BatchOptions result;
  result.batch_tokens = options.batch_tokens;
  result.max_length = options.max_train_length;
  result.seed = options.seed;
  return result;
}

}  // namespace attune
