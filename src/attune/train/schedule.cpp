#include "attune/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace attune {

namespace {

// The share of the way from the end of the warm-up to the end of the run, 0 to 1.
double share_done(const TrainOptions& o, double update, const ScheduleState& state) {
  if (o.max_update == 0 && o.max_minutes > 0) {
    return std::min(state.seconds / (60 * o.max_minutes), 1.0);
  }
  const auto warmup = static_cast<double>(o.warmup_updates), length = static_cast<double>(o.max_update) - warmup;
  return length > 0 ? std::min((update - warmup) / length, 1.0) : 1.0;
}

}  // namespace

double learning_rate(const TrainOptions& o, int64_t update, const ScheduleState& state) {
  const auto u = static_cast<double>(std::max<int64_t>(update, 1));
  const auto warmup = static_cast<double>(o.warmup_updates);
  if (o.lr_scheduler == "transformer") {
    const double rising = warmup > 0 ? u * std::pow(warmup, -1.5) : 1 / std::sqrt(u);
    const double rate = o.lr / std::sqrt(static_cast<double>(state.width)) * std::min(1 / std::sqrt(u), rising);
    return u > warmup ? std::max(rate, o.min_lr) : rate;
  }
  if (u <= warmup) {
    return o.lr * u / warmup;
  }
  const double done = share_done(o, u, state);
  double rate = o.lr;
  if (o.lr_scheduler == "inverse_sqrt") {
    rate = o.lr * std::sqrt(std::max(warmup, 1.0) / u);
  } else if (o.lr_scheduler == "cosine") {
    rate = o.min_lr + (o.lr - o.min_lr) * 0.5 * (1 + std::cos(std::numbers::pi * done));
  } else if (o.lr_scheduler == "linear") {
    rate = o.lr + (o.min_lr - o.lr) * done;
  } else if (o.lr_scheduler == "plateau") {
    rate = o.lr * state.plateau_scale;
  }
  return std::max(rate, o.min_lr);
}

double next_plateau_scale(const TrainOptions& options, double scale, bool improved) {
  return options.lr_scheduler == "plateau" && !improved ? scale * options.lr_shrink : scale;
}

}  // namespace attune
