// y = x W^T + b: the product with a weight stored [out, in], as in PyTorch. x is [..., in], y [..., out].
#pragma once

#include "attune/tensor/tensor.h"

namespace attune {

struct LinearOptions {
  DType compute = DType::float32;  // bfloat16: operands rounded, sums and result in float32 (float32 tensors only)
};

// weight [out, in] of the type of x, or bfloat16 (inference: not rounded again); bias [out] or not given. The rows of
// y have the same bits whatever x's other rows are.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const LinearOptions& options = {});

}  // namespace attune
