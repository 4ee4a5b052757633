// Softmax and its logarithm over the last axis: y_j = exp(x_j - max) / sum. A row of -inf alone gives zeros (softmax)
// with zero gradients, so that a fully masked row is harmless; its log_softmax is -inf, also with zero gradients. A NaN
// or +inf makes its whole row NaN.
#pragma once

#include "attune/tensor/tensor.h"

namespace attune {

Tensor softmax(const Tensor& x);
Tensor log_softmax(const Tensor& x);

}  // namespace attune
