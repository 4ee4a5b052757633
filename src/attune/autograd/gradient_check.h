// Gradients against finite differences in float64, whole Jacobians on small sizes. In a test:
//   const auto worst = gradient_error([](auto& x) { return softmax(x[0]); }, {random_tensor({3, 4}, Rng(1))});
//   EXPECT_LT(worst.error, 1e-7) << worst.where;
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "attune/base/rng.h"
#include "attune/tensor/tensor.h"

namespace attune {

struct GradientError {
  double error = 0;   // |analytic - numeric| / max(1, largest |numeric|), the worst element of all Jacobians
  std::string where;  // which input and output element, and both values
};

struct GradientCheckOptions {
  double step = 1e-5;
};

// The derivative at 0 of each value of at(offset): a central difference of fourth order.
std::vector<double> central_difference(const std::function<std::vector<double>(double offset)>& at, double step);

using Function = std::function<Tensor(std::vector<Tensor>& inputs)>;

// Compares d output[o] / d input[i] for all o and all elements i of every float64 input (others are constants); a
// central difference of fourth order. The function must be deterministic.
GradientError gradient_error(const Function& function, std::vector<Tensor> inputs,
                             const GradientCheckOptions& options = {});

// Float64 tensor of standard normals.
Tensor random_tensor(const Shape& shape, const Rng& rng, DType dtype = DType::float64);

}  // namespace attune
