// Learning rates as functions of the update u = 1, 2, ... With peak P, W warm-up updates, N = max-update, floor F:
//   inverse_sqrt  P u / W, then P sqrt(W / u)
//   transformer   P width^-1/2 min(u^-1/2, u W^-3/2)                       (Vaswani et al. 2017, section 5.3)
//   cosine        P u / W, then F + (P - F) (1 + cos(pi (u - W) / (N - W))) / 2    (Loshchilov and Hutter 2017)
//   linear        P u / W, then from P to F at N
//   constant      P u / W, then P
//   plateau       P u / W, then P times lr-shrink for each validation without improvement
// After the warm-up none falls below F. Where there is no max-update but max-minutes, cosine and linear end with the
// minutes: (u - W) / (N - W) is then the share of them that has been spent in updates, and the rates, unlike all
// others, depend on the clock.
#pragma once

#include <cstdint>

#include "attune/train/options.h"

namespace attune {

// plateau_scale: what plateau has come to, 1 at first; part of a checkpoint, as the seconds spent in updates are.
// width: of the model, for `transformer`.
struct ScheduleState {
  int width = 1;
  double plateau_scale = 1;
  double seconds = 0;
};
double learning_rate(const TrainOptions& options, int64_t update, const ScheduleState& state = {});

// The scale after a validation.
double next_plateau_scale(const TrainOptions& options, double scale, bool improved);

}  // namespace attune
