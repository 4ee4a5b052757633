#include "attune/train/options.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <type_traits>

#include "attune/base/check.h"
#include "attune/base/text.h"

namespace attune {
namespace {

void check_word(const char* key, const std::string& value, std::initializer_list<std::string_view> known) {
  std::string list;
  for (std::string_view word : known) {
    list += (list.empty() ? "" : ", ") + std::string(word);
  }
  check_usage(std::find(known.begin(), known.end(), value) != known.end(), key, ": expected one of ", list, ", got '",
              value, "'");
}

void check_at_least(const char* key, int value, int least) {
  check_usage(value >= least, key, ": expected ", least, " or more, got ", value);
}

struct Interval {
  double low, high;
  bool low_open = false, high_open = false;
};

void check_in(const char* key, double value, const Interval& range) {
  const bool above = range.low_open ? value > range.low : value >= range.low;
  const bool below = range.high_open ? value < range.high : value <= range.high;
  check_usage(std::isfinite(value) && above && below, key, ": expected a number ", range.low_open ? "above " : "from ",
              range.low, range.high_open ? " and below " : " to ", range.high, ", got ", value);
}

void check_ranges(const TrainOptions& o) {
  constexpr double most = 1e9;
  check_at_least("threads", o.threads, 0);
  check_usage(o.threads <= 4096, "threads: expected 4096 at most, got ", o.threads);
  check_at_least("max-update", o.max_update, 0);
  check_at_least("max-epoch", o.max_epoch, 0);
  check_in("max-minutes", o.max_minutes, {0, most});
  check_at_least("batch-tokens", o.batch_tokens, 1);
  check_usage(o.batch_tokens <= 100'000'000, "batch-tokens: expected 100000000 at most, got ", o.batch_tokens);
  check_at_least("update-freq", o.update_freq, 1);
  check_at_least("max-train-length", o.max_train_length, 0);
  check_in("lr", o.lr, {0, most});
  check_at_least("warmup-updates", o.warmup_updates, 0);
  check_in("min-lr", o.min_lr, {0, most});
  check_in("lr-shrink", o.lr_shrink, {0, 1, true, true});
  check_in("adam-beta1", o.adam_beta1, {0, 1, false, true});
  check_in("adam-beta2", o.adam_beta2, {0, 1, false, true});
  check_in("adam-epsilon", o.adam_epsilon, {0, most, true, false});
  check_in("weight-decay", o.weight_decay, {0, most});
  check_in("momentum", o.momentum, {0, 1, false, true});
  check_in("clip-norm", o.clip_norm, {0, most});
  check_in("label-smoothing", o.label_smoothing, {0, 1, false, true});
  check_in("ema-decay", o.ema_decay, {0, 1, false, true});
  check_at_least("average-last", o.average_last, 0);
  check_at_least("patience", o.patience, 0);
  check_at_least("log-freq", o.log_freq, 1);
  check_at_least("save-freq", o.save_freq, 0);
  check_at_least("valid-freq", o.valid_freq, 0);
  check_at_least("keep-last", o.keep_last, 0);
  check_at_least("valid-beam-size", o.valid_beam_size, 1);
}

bool ends_at_max_update(const TrainOptions& o) {
  return o.lr_scheduler == "cosine" || o.lr_scheduler == "linear";
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
  check_usage(!ends_at_max_update(o) || o.max_update > o.warmup_updates, "lr-scheduler ", o.lr_scheduler,
              ": ends at max-update, which must be above warmup-updates (", o.warmup_updates, "), got ", o.max_update);
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
  if (ends_at_max_update(options)) {
    keys.erase("max-update");
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
