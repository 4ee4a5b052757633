// Root mean square normalisation (Zhang and Sennrich 2019): y = x / sqrt(mean(x^2) + epsilon) * weight.
#pragma once

#include "attune/ops/layer_norm.h"

namespace attune {

Tensor rms_norm(const Tensor& x, const Tensor& weight, const NormOptions& options = {});

}  // namespace attune
