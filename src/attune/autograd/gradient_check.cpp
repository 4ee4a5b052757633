#include "attune/autograd/gradient_check.h"

#include <algorithm>
#include <cmath>

#include "attune/autograd/tape.h"

namespace attune {

Tensor random_tensor(const Shape& shape, const Rng& rng, DType dtype) {
  Tensor wide = Tensor::empty(shape, DType::float64);
  auto values = wide.data<double>();
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = rng.normal(i);
  }
  return wide.to(dtype);
}

std::vector<double> central_difference(const std::function<std::vector<double>(double offset)>& at, double step) {
  const auto p1 = at(step), m1 = at(-step), p2 = at(2 * step), m2 = at(-2 * step);
  std::vector<double> derivative(p1.size());
  for (size_t o = 0; o < derivative.size(); ++o) {
    derivative[o] = (8 * (p1[o] - m1[o]) - (p2[o] - m2[o])) / (12 * step);
  }
  return derivative;
}

namespace {

// Column j of the numeric Jacobian: d output / d input[j].
std::vector<double> numeric_column(const Function& function, std::vector<Tensor>& inputs, size_t input, size_t j,
                                   double step) {
  const double kept = inputs[input].data<double>()[j];
  const auto at = [&](double offset) {
    inputs[input].data<double>()[j] = kept + offset;
    const Tensor y = function(inputs).compact();
    const auto values = y.data<double>();
    std::vector<double> copy(values.begin(), values.end());  // before the input is restored: y may be a view of it
    inputs[input].data<double>()[j] = kept;
    return copy;
  };
  return central_difference(at, step);
}

}  // namespace

GradientError gradient_error(const Function& function, std::vector<Tensor> inputs,
                             const GradientCheckOptions& options) {
  for (Tensor& input : inputs) {
    input = input.dtype() == DType::float64 ? input.clone() : input;
  }
  // analytic[i][o]: the gradient of output o with respect to input i
  std::vector<std::vector<Tensor>> analytic(inputs.size());
  int64_t outputs = 0;
  {
    Tape tape;
    for (const Tensor& input : inputs) {
      if (input.dtype() == DType::float64 && input.elements() > 0) {
        tape.watch(input);
      }
    }
    const Tensor y = function(inputs);
    check(y.dtype() == DType::float64, "gradient_error: the function gave ", name_of(y.dtype()), ", expected float64");
    outputs = y.elements();
    for (int64_t o = 0; o < outputs; ++o) {
      Tensor seed = Tensor::zeros(y.shape(), DType::float64);
      seed.data<double>()[static_cast<size_t>(o)] = 1;
      const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&seed, 1));
      for (size_t i = 0; i < inputs.size(); ++i) {
        const bool checked = inputs[i].dtype() == DType::float64 && inputs[i].elements() > 0;
        analytic[i].push_back(checked ? gradients.of(inputs[i]) : Tensor());
        if (analytic[i].back()) {
          analytic[i].back() = analytic[i].back().clone();
        }
      }
    }
  }
  GradientError worst;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].dtype() != DType::float64) {
      continue;
    }
    double largest = 1;
    std::vector<std::vector<double>> numeric;
    for (size_t j = 0; j < static_cast<size_t>(inputs[i].elements()); ++j) {
      numeric.push_back(numeric_column(function, inputs, i, j, options.step));
      for (double value : numeric.back()) {
        largest = std::max(largest, std::fabs(value));
      }
    }
    for (size_t j = 0; j < numeric.size(); ++j) {
      for (size_t o = 0; o < static_cast<size_t>(outputs); ++o) {
        const double found = analytic[i][o] ? analytic[i][o].at(static_cast<int64_t>(j)) : 0.0;
        const double error = std::fabs(found - numeric[j][o]) / largest;
        if (!(error <= worst.error)) {  // NaN counts as the worst
          worst = {std::isnan(error) ? INFINITY : error,
                   "d output[" + std::to_string(o) + "] / d input " + std::to_string(i) + "[" + std::to_string(j) +
                       "]: backward " + std::to_string(found) + ", finite difference " + std::to_string(numeric[j][o])};
        }
      }
    }
  }
  return worst;
}

}  // namespace attune
