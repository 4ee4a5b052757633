// Binary cross entropy on logits, stable for any logit: sum of max(x, 0) - x y + log(1 + exp(-|x|)); its gradient is
// sigmoid(x) - y.
#pragma once

#include "attune/tensor/tensor.h"

namespace attune {

// logits and targets (0 ... 1, a constant) of equal shape -> the sum over all elements, a scalar
Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets);

}  // namespace attune
