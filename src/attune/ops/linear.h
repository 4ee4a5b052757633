// y = dropout(activation(x W^T + b)): the product with a weight stored [out, in], as in PyTorch, and what follows it in
// the same pass. x is [..., in], y [..., out].
#pragma once

#include <optional>

#include "attune/base/rng.h"
#include "attune/ops/activation.h"
#include "attune/tensor/tensor.h"

namespace attune {

struct LinearOptions {
  DType compute = DType::float32;  // bfloat16: operands rounded, sums in float32 (float32 tensors only)
  DType result = DType::float32;   // bfloat16 (when computing in it): y is rounded too, as products read it
  Activation activation = Activation::identity;
  double dropout = 0;           // 0 <= rate < 1
  std::optional<Rng> rng = {};  // without it nothing is dropped
};

// weight [out, in] of the type of x, or bfloat16 (inference: not rounded again); bias [out] or not given; x may be
// bfloat16 when that is computed in. The rows of y have the same bits whatever x's other rows are. Equal bits to the
// ops one after the other: activate() and dropout() are the definition.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {}, const LinearOptions& options = {});

}  // namespace attune
