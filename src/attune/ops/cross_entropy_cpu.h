// The processor's row loops of cross_entropy.h.
#pragma once

#include <cstdint>

namespace attune::cpu {

struct LogitStatistics {
  double log_sum_exp = 0;
  double max = 0, exp_sum = 0;  // exp_sum: of exp(x - max)
  double sum = 0;               // of the logits: what label smoothing needs
};

// One row of logits. `exps`, when not null, receives exp(x - max); it may be x itself.
LogitStatistics logit_statistics(const float* x, float* exps, int64_t classes);
LogitStatistics logit_statistics(const double* x, double* exps, int64_t classes);

// y = factor y + shift
void scale_and_shift(float* y, float factor, float shift, int64_t count);
void scale_and_shift(double* y, double factor, double shift, int64_t count);

}  // namespace attune::cpu
