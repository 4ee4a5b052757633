// The product with a weight that every step of a recurrence uses again: y = x W^T + b, as linear(), but all steps share
// one weight gradient product. Each step's backward keeps its x and dy; when all have run, their rows are put together:
//   dW = sum over steps of dy^T x = (all dy)^T (all x)
// which runs at the speed of a large product and passes once over dW instead of once a step.
//
//   const StepLinear recurrent(weight, bias);   // before its first use
//   for (...) h = tanh(recurrent(h, x_part));
#pragma once

#include <memory>

#include "attune/tensor/tensor.h"

namespace attune {

class StepLinear {
 public:
  StepLinear() = default;  // none

  // weight [out, in], bias [out] or not given. compute: bfloat16 rounds the operands of products (float32 tensors
  // only).
  explicit StepLinear(const Tensor& weight, const Tensor& bias = {}, DType compute = DType::float32);

  // x [n, in] -> [n, out] = x W^T + b, added to `base` [n, out] where that is given (no bias then).
  Tensor operator()(const Tensor& x, const Tensor& base = {}) const;

 private:
  struct Uses;
  Tensor weight_, bias_;
  DType compute_ = DType::float32;
  std::shared_ptr<Uses> uses_;  // rows that wait for the weight's gradient
  Tensor trigger_;              // no elements; every use is its reader, so that its backward runs behind all of theirs
};

}  // namespace attune
