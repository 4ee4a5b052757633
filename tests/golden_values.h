// What the tests against goldens share (tests/goldens): their files, the formula of start values that the scripts have
// too, and the comparison number by number.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attune/autograd/tape.h"

namespace attune::testing {

inline nlohmann::json golden_file(const std::string& name) {
  std::ifstream file(ATTUNE_SOURCE_DIR "/tests/goldens/" + name);
  return nlohmann::json::parse(file);
}

// centre + size sin(0.37 (k + 1) + 1.7 i + 0.013 k i) for element i, in float64.
inline Tensor wave(int k, const Shape& shape, double size = 0.4, double centre = 0) {
  Tensor result = Tensor::empty(shape, DType::float64);
  for (int64_t i = 0; i < shape.elements(); ++i) {
    const auto place = static_cast<double>(i);
    result.pointer<double>()[i] = centre + size * std::sin(0.37 * (k + 1) + 1.7 * place + 0.013 * k * place);
  }
  return result;
}

// The k-th parameter, by its name: scales near 1, small biases.
inline Tensor start_value(int k, const Shape& shape, const std::string& name) {
  if (name.ends_with("norm.weight") || name.ends_with("weight_g")) {
    return wave(k, shape, 0.1, 1);
  }
  return wave(k, shape, name.ends_with("bias") ? 0.1 : 0.4);
}

inline void set_start_values(Parameters& parameters) {
  int k = 0;
  for (const auto& entry : parameters.entries()) {
    entry.parameter->copy_from(start_value(k++, entry.parameter->shape(), entry.name));
  }
}

inline void expect_near(const Tensor& found, const std::vector<double>& expected, double tolerance,
                        const std::string& what) {
  ASSERT_TRUE(found) << what;
  ASSERT_EQ(found.elements(), static_cast<int64_t>(expected.size())) << what;
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(found.at(static_cast<int64_t>(i)), expected[i], tolerance) << what << '[' << i << ']';
  }
}

// Of every parameter; golden: by name.
inline void expect_near(const Parameters& parameters, const Gradients& gradients, const nlohmann::json& golden,
                        double tolerance) {
  ASSERT_EQ(golden.size(), parameters.entries().size());
  for (const auto& entry : parameters.entries()) {
    expect_near(gradients[entry.name], golden.at(entry.name), tolerance, entry.name);
  }
}

}  // namespace attune::testing
