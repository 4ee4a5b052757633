// Gated convolutions against PyTorch's modules: output and all gradients; a tiny ConvS2S against the same in PyTorch:
// logits, every gradient and ten losses of training (tests/goldens/make_convolution_golden.py).
#include "attune/models/architecture.h"
#include "attune/nn/gated_convolution.h"
#include "golden_model.h"

namespace attune {
namespace {

using testing::expect_golden_gradients;
using testing::expect_golden_logits;
using testing::expect_golden_training;
using testing::expect_near;
using testing::golden_batch;
using testing::set_start_values;
using testing::wave;

nlohmann::json golden(const char* part) {
  return testing::golden_file("convolution_golden.json")[part];
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
      const Tensor x = wave(9, {segments.rows(), block.options.in}).to(dtype);
      Tape tape(parameters);
      tape.watch(x);
      const Tensor y = block.with_residual(x, block(x, segments, {}), {});
      const Tensor seed = wave(8, y.shape()).to(dtype);
      const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&seed, 1));
      expect_near(y, run["output"], tolerance, "output");
      expect_near(gradients.of(x), run["of-input"], tolerance, "input");
      expect_near(parameters, gradients, run["gradients"], tolerance);
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

// Of both models in both types: (run, model, tolerance).
template <class Check>
void each_golden_model(Check&& check) {
  for (const auto& run : golden("models")) {
    for (const DType dtype : {DType::float64, DType::float32}) {
      check(run, *golden_model(run, dtype), dtype == DType::float64 ? 1e-9 : 1e-5);
    }
  }
}

TEST(GoldenConvolutional, logits_gradients_and_ten_training_losses_equal_pytorch) {
  each_golden_model([](const nlohmann::json& run, Model& model, double tolerance) {
    expect_golden_logits(model, golden_batch(), run["logits"], tolerance);
    expect_golden_gradients(model, golden_batch(), run["gradients"], tolerance);
    expect_golden_training(model, golden_batch(), run["losses"], tolerance);
  });
}

}  // namespace
}  // namespace attune
