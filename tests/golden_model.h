// What the tests against PyTorch's models share: the batch, and the comparison of logits, gradients and losses of
// training (tests/goldens).
#pragma once

#include "attune/autograd/tape.h"
#include "attune/models/model.h"
#include "attune/ops/cross_entropy.h"
#include "attune/ops/linear.h"
#include "attune/train/optimizer.h"
#include "golden_values.h"

namespace attune::testing {

inline Batch golden_batch() {
  const std::vector<Example> examples{{{5, 3, 7}, {8, 4, 9}}, {{4, 10}, {3}}, {{6, 6, 8, 9, 3}, {7, 10, 5, 5, 6}}};
  return make_batch(examples, std::vector<int>{0, 1, 2});
}

inline CrossEntropy golden_loss(const Model& model, const Batch& batch) {
  const OutputLayer output = model.output();
  return linear_cross_entropy(model.hidden(batch, {}), output.weight, output.bias, batch.target_output,
                              {.label_smoothing = 0.1});
}

inline double largest_of(const std::vector<double>& values) {
  double largest = 0;
  for (double value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

// Relative to the largest.
inline void expect_near_golden(const Tensor& found, const nlohmann::json& golden, double tolerance) {
  const auto expected = golden.get<std::vector<double>>();
  expect_near(found, expected, tolerance * largest_of(expected), "");
}

inline void expect_golden_logits(const Model& model, const Batch& batch, const nlohmann::json& golden,
                                 double tolerance) {
  const OutputLayer output = model.output();
  expect_near_golden(linear(model.hidden(batch, {}), output.weight, output.bias), golden, tolerance);
}

// Of the mean loss over `count` things, relative to the largest of all.
inline void expect_golden_gradients(const Parameters& parameters, const Gradients& gradients, double count,
                                    const nlohmann::json& golden, double tolerance) {
  double largest = 0;
  for (const auto& [name, values] : golden.items()) {
    largest = std::max(largest, largest_of(values.get<std::vector<double>>()));
  }
  ASSERT_EQ(golden.size(), parameters.entries().size());
  for (const auto& entry : parameters.entries()) {
    ASSERT_TRUE(golden.contains(entry.name)) << entry.name;
    const auto expected = golden.at(entry.name).get<std::vector<double>>();
    const Tensor found = gradients[entry.name];
    ASSERT_EQ(found.elements(), static_cast<int64_t>(expected.size())) << entry.name;
    for (size_t i = 0; i < expected.size(); ++i) {
      const double error = std::fabs(found.at(static_cast<int64_t>(i)) / count - expected[i]) / largest;
      ASSERT_LE(error, tolerance) << entry.name << '[' << i << ']';
    }
  }
}

inline void expect_golden_gradients(const Model& model, const Batch& batch, const nlohmann::json& golden,
                                    double tolerance) {
  Tape tape(model.parameters());
  const Gradients gradients = tape.backward(golden_loss(model, batch).loss);
  expect_golden_gradients(model.parameters(), gradients, static_cast<double>(batch.target_tokens()), golden, tolerance);
}

// Of steps of Adam with the learning rate 0.003.
inline void expect_golden_training(Model& model, const Batch& batch, const nlohmann::json& golden, double tolerance) {
  Parameters& parameters = model.parameters();
  Optimizer optimizer({}, parameters.flat_elements(), parameters.dtype());
  const auto expected = golden.get<std::vector<double>>();
  ASSERT_EQ(expected.size(), 10U);
  const auto tokens = static_cast<double>(batch.target_tokens());
  for (const double wanted : expected) {
    Tape tape(parameters);
    const Tensor loss = golden_loss(model, batch).loss;
    ASSERT_NEAR(loss.item() / tokens, wanted, tolerance * wanted);
    const Gradients gradients = tape.backward(loss);
    Tensor flat = parameters.flat();
    optimizer.step(flat, gradients.flat(), {0.003, 1 / tokens});
  }
  EXPECT_LT(expected.back(), expected.front());
}

}  // namespace attune::testing
