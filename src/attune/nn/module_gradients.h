// For tests: gradients of a module with respect to its input and to every one of its parameters, and of a model's loss
// with respect to its parameters, in float64.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "attune/autograd/gradient_check.h"
#include "attune/autograd/parameters.h"
#include "attune/autograd/tape.h"

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

struct ParameterGradientError {
  double error = 0;   // |backward - numeric|, the worst of those checked
  std::string where;  // which one, and both values
  int64_t checked = 0;
};

// Of a scalar loss that is the same at each call: every third element of each parameter, against the difference of
// fourth order. The parameters are allocated in float64.
inline ParameterGradientError parameter_gradient_error(const Parameters& parameters,
                                                       const std::function<Tensor()>& loss) {
  Tape tape(parameters);
  const Gradients gradients = tape.backward(loss());
  const NoTape pause;
  Tensor flat = parameters.flat();
  ParameterGradientError worst;
  for (const auto& entry : parameters.entries()) {
    const Tensor gradient = gradients[entry.name];
    for (int64_t i = 0; i < entry.parameter->elements(); i += 3, ++worst.checked) {
      double& value = flat.data<double>()[static_cast<size_t>(entry.offset + i)];
      const double kept = value;
      const auto at = [&](double offset) {
        value = kept + offset;
        flat.storage()->changed();
        const double result = loss().item();
        value = kept;
        return std::vector{result};
      };
      const double numeric = central_difference(at, 1e-5)[0], difference = std::fabs(gradient.at(i) - numeric);
      const double error = std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference;
      if (error > worst.error) {
        worst.error = error;
        worst.where = entry.name + "[" + std::to_string(i) + "]: backward " + std::to_string(gradient.at(i)) +
                      ", finite difference " + std::to_string(numeric);
      }
    }
  }
  flat.storage()->changed();
  return worst;
}

}  // namespace attune
