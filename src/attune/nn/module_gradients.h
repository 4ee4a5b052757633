// For tests: gradients of a module with respect to its input and to every one of its parameters, in float64.
#pragma once

#include "attune/autograd/gradient_check.h"
#include "attune/autograd/parameters.h"

namespace attune {

// f(x) must run the module; its parameters become random float64 tensors. `parameters` borrows from the module.
template <class Fn>
GradientError module_gradient_error(const Parameters& parameters, const Tensor& x, Fn&& f) {
  std::vector<Tensor> inputs{x};
  for (const auto& entry : parameters.entries()) {
    inputs.push_back(random_tensor(entry.parameter->shape(), Rng(7).stream(entry.name)));
  }
  return gradient_error(
      [&](std::vector<Tensor>& given) {
        for (size_t i = 0; i < parameters.entries().size(); ++i) {
          parameters.entries()[i].parameter->set(given[i + 1]);
        }
        return f(given[0]);
      },
      inputs);
}

}  // namespace attune
