// Gated convolutions against PyTorch's modules: output and all gradients; a tiny ConvS2S against the same in PyTorch:
// logits, every gradient and ten losses of training (tests/goldens/make_convolution_golden.py).
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "attune/autograd/tape.h"
#include "attune/models/architecture.h"
#include "attune/nn/gated_convolution.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/cross_entropy.h"
#include "attune/ops/linear.h"
#include "attune/train/optimizer.h"

namespace attune {
namespace {

nlohmann::json golden(const char* part) {
  std::ifstream file(ATTUNE_SOURCE_DIR "/tests/goldens/convolution_golden.json");
  return nlohmann::json::parse(file)[part];
}

Tensor start_value(int k, const Shape& shape, const std::string& name) {
  Tensor result = Tensor::empty(shape, DType::float64);
  for (int64_t i = 0; i < shape.elements(); ++i) {
    const double wave = std::sin(0.37 * (k + 1) + 1.7 * static_cast<double>(i) + 0.013 * k * static_cast<double>(i));
    result.data<double>()[static_cast<size_t>(i)] = name.ends_with("weight_g") ? 1 + 0.1 * wave
                                                    : name.ends_with("bias")   ? 0.1 * wave
                                                                               : 0.4 * wave;
  }
  return result;
}

void set_start_values(Parameters& parameters) {
  int k = 0;
  for (const auto& entry : parameters.entries()) {
    entry.parameter->copy_from(start_value(k++, entry.parameter->shape(), entry.name));
  }
}

void expect_near(const Tensor& found, const std::vector<double>& expected, double tolerance, const std::string& what) {
  ASSERT_EQ(found.elements(), static_cast<int64_t>(expected.size())) << what;
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(found.at(static_cast<int64_t>(i)), expected[i], tolerance) << what << '[' << i << ']';
  }
}

TEST(GoldenConvolution, output_and_every_gradient_equal_pytorch) {
  for (const auto& run : golden("blocks")) {
    for (const DType dtype : {DType::float64, DType::float32}) {
      const double tolerance = dtype == DType::float64 ? 1e-10 : 2e-6;
      GatedConvolution block({.in = run["in"],
                              .out = run["out"],
                              .kernel_width = run["kernel-width"],
                              .causal = run["causal"],
                              .weight_norm = true});
      Parameters parameters = parameters_of(block);
      parameters.allocate(dtype);
      set_start_values(parameters);
      const Segments segments = Segments::of_lengths(std::vector<int>{3, 1, 5, 2});
      const Tensor x = start_value(9, {segments.rows(), block.options.in}, "x").to(dtype);
      Tape tape(parameters);
      tape.watch(x);
      const Tensor y = block.with_residual(x, block(x, segments, {}), {});
      const Tensor seed = start_value(8, y.shape(), "y").to(dtype);
      const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&seed, 1));
      expect_near(y, run["output"], tolerance, "output");
      expect_near(gradients.of(x), run["of-input"], tolerance, "input");
      ASSERT_EQ(run["gradients"].size(), parameters.entries().size());
      for (const auto& entry : parameters.entries()) {
        expect_near(gradients[entry.name], run["gradients"].at(entry.name), tolerance, entry.name);
      }
    }
  }
}

std::unique_ptr<Model> golden_model(const nlohmann::json& run, DType dtype) {
  ModelConfig config = defaults_of("convolutional");
  config.encoder_layers = config.decoder_layers = 2;
  config.width = 8, config.max_positions = 9, config.dropout = 0;
  config.source_vocabulary = config.target_vocabulary = 11;
  config.channels = run["channels"];
  config.kernel_width = run["kernel-width"];
  config.tied_embeddings = run["tied-embeddings"];
  auto model = make_model(config);
  model->parameters().allocate(dtype);
  set_start_values(model->parameters());
  return model;
}

Batch golden_batch() {
  const std::vector<Example> examples{{{5, 3, 7}, {8, 4, 9}}, {{4, 10}, {3}}, {{6, 6, 8, 9, 3}, {7, 10, 5, 5, 6}}};
  return make_batch(examples, std::vector<int>{0, 1, 2});
}

Tensor golden_loss(const Model& model, const Batch& batch) {
  const OutputLayer output = model.output();
  return linear_cross_entropy(model.hidden(batch, {}), output.weight, output.bias, batch.target_output,
                              {.label_smoothing = 0.1})
      .loss;
}

double largest_of(const std::vector<double>& values) {
  double largest = 0;
  for (const double value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

// Of both models in both types: (run, model, tolerance).
template <class Check>
void each_golden_model(Check&& check) {
  for (const auto& run : golden("models")) {
    for (const DType dtype : {DType::float64, DType::float32}) {
      check(run, *golden_model(run, dtype), dtype == DType::float64 ? 1e-9 : 1e-5);
    }
  }
}

TEST(GoldenConvolutional, logits_equal_pytorch) {
  each_golden_model([](const nlohmann::json& run, Model& model, double tolerance) {
    const auto expected = run["logits"].get<std::vector<double>>();
    const OutputLayer output = model.output();
    expect_near(linear(model.hidden(golden_batch(), {}), output.weight, output.bias), expected,
                tolerance * largest_of(expected), "logits");
  });
}

TEST(GoldenConvolutional, every_gradient_equals_pytorch) {
  each_golden_model([](const nlohmann::json& run, Model& model, double tolerance) {
    const Batch batch = golden_batch();
    Tape tape(model.parameters());
    const Gradients gradients = tape.backward(scale(golden_loss(model, batch), 1.0 / batch.target_tokens()));
    double largest = 0;
    for (const auto& [name, values] : run["gradients"].items()) {
      largest = std::max(largest, largest_of(values.get<std::vector<double>>()));
    }
    ASSERT_EQ(run["gradients"].size(), model.parameters().entries().size());
    for (const auto& entry : model.parameters().entries()) {
      expect_near(gradients[entry.name], run["gradients"].at(entry.name), tolerance * largest, entry.name);
    }
  });
}

TEST(GoldenConvolutional, ten_training_losses_equal_pytorch) {
  each_golden_model([](const nlohmann::json& run, Model& model, double tolerance) {
    const Batch batch = golden_batch();
    Parameters& parameters = model.parameters();
    Optimizer optimizer({}, parameters.flat_elements(), parameters.dtype());
    const auto expected = run["losses"].get<std::vector<double>>();
    ASSERT_EQ(expected.size(), 10U);
    for (const double wanted : expected) {
      Tape tape(parameters);
      const Tensor loss = scale(golden_loss(model, batch), 1.0 / batch.target_tokens());
      ASSERT_NEAR(loss.item(), wanted, tolerance * wanted);
      const Gradients gradients = tape.backward(loss);
      Tensor flat = parameters.flat();
      optimizer.step(flat, gradients.flat(), {0.003, 1});
    }
    EXPECT_LT(expected.back(), expected.front());
  });
}

}  // namespace
}  // namespace attune
