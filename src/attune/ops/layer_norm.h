// Layer normalisation over the last axis (Ba, Kiros, Hinton 2016): y = (x - mean) / sqrt(var + epsilon) * weight +
// bias, biased variance, epsilon inside the root.
#pragma once

#include "attune/tensor/tensor.h"

namespace attune {

struct NormOptions {
  double epsilon = 1e-5;
  DType result = DType::float32;  // bfloat16: y is rounded, as products read it (float32 x only)
};

// weight, bias [columns]; bias may be not given.
Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const NormOptions& options = {});

}  // namespace attune
