// A tiny Transformer, pre- and post-norm, against PyTorch: logits, every parameter's gradient and ten losses of
// training (tests/goldens/make_transformer_golden.py). The weights come from the same formula on both sides.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "attune/autograd/tape.h"
#include "attune/models/model.h"
#include "attune/ops/cross_entropy.h"
#include "attune/ops/linear.h"
#include "attune/train/optimizer.h"

namespace attune {
namespace {

nlohmann::json golden_runs() {
  std::ifstream file(ATTUNE_SOURCE_DIR "/tests/goldens/transformer_golden.json");
  return nlohmann::json::parse(file)["runs"];
}

void set_start_values(Parameters& parameters) {
  int k = 0;
  for (const auto& entry : parameters.entries()) {
    const bool norm = entry.name.find("norm.weight") != std::string::npos;
    const bool bias = entry.name.ends_with(".bias");
    Tensor wide = Tensor::empty(entry.parameter->shape(), DType::float64);
    for (int i = 0; i < wide.elements(); ++i) {
      const double wave = std::sin(0.37 * (k + 1) + 1.7 * i + 0.013 * k * i);
      wide.data<double>()[static_cast<size_t>(i)] = norm ? 1 + 0.1 * wave : bias ? 0.1 * wave : 0.4 * wave;
    }
    entry.parameter->copy_from(wide);
    ++k;
  }
}

std::unique_ptr<Model> make_golden_model(const nlohmann::json& run, DType dtype) {
  ModelConfig config;
  config.encoder_layers = 1, config.decoder_layers = 2;
  config.width = 8, config.heads = 2, config.feed_forward = 12;
  config.source_vocabulary = config.target_vocabulary = 11;
  config.dropout = 0;
  config.norm_position = run["norm-position"];
  config.activation = run["activation"];
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

CrossEntropy golden_loss(const Model& model, const Batch& batch) {
  const OutputLayer output = model.output();
  return linear_cross_entropy(model.hidden(batch, {}), output.weight, output.bias, batch.target_output,
                              {.label_smoothing = 0.1});
}

double largest_of(const std::vector<double>& values) {
  double largest = 0;
  for (double value : values) largest = std::max(largest, std::fabs(value));
  return largest;
}

class GoldenRun : public testing::TestWithParam<std::tuple<int, DType>> {
 protected:
  nlohmann::json run_ = golden_runs()[static_cast<size_t>(std::get<0>(GetParam()))];
  DType dtype_ = std::get<1>(GetParam());
  double tolerance_ = dtype_ == DType::float64 ? 1e-9 : 1e-5;
  std::unique_ptr<Model> model_ = make_golden_model(run_, dtype_);
  Batch batch_ = golden_batch();
};

TEST_P(GoldenRun, logits_equal_pytorch) {
  const OutputLayer output = model_->output();
  const Tensor logits = linear(model_->hidden(batch_, {}), output.weight, output.bias);
  const auto expected = run_["logits"].get<std::vector<double>>();
  ASSERT_EQ(logits.elements(), static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(logits.at(static_cast<int64_t>(i)), expected[i], tolerance_ * largest_of(expected)) << i;
  }
}

TEST_P(GoldenRun, every_gradient_equals_pytorch) {
  Tape tape(model_->parameters());
  const Gradients gradients = tape.backward(golden_loss(*model_, batch_).loss);
  const auto tokens = static_cast<double>(batch_.target_tokens());  // PyTorch's loss is the mean
  double largest = 0;
  for (const auto& [name, values] : run_["gradients"].items()) {
    largest = std::max(largest, largest_of(values.get<std::vector<double>>()));
  }
  ASSERT_EQ(run_["gradients"].size(), model_->parameters().entries().size());
  double worst = 0;
  for (const auto& entry : model_->parameters().entries()) {
    const auto expected = run_["gradients"].at(entry.name).get<std::vector<double>>();
    const Tensor found = gradients[entry.name];
    ASSERT_EQ(found.elements(), static_cast<int64_t>(expected.size())) << entry.name;
    for (size_t i = 0; i < expected.size(); ++i) {
      const double error = std::fabs(found.at(static_cast<int64_t>(i)) / tokens - expected[i]) / largest;
      worst = std::max(worst, error);
      ASSERT_LE(error, tolerance_) << entry.name << '[' << i << ']';
    }
  }
  RecordProperty("worst", std::to_string(worst));
}

TEST_P(GoldenRun, ten_training_losses_equal_pytorch) {
  Parameters& parameters = model_->parameters();
  OptimizerOptions options;
  Optimizer optimizer(options, parameters.flat_elements(), dtype_);
  const auto expected = run_["losses"].get<std::vector<double>>();
  ASSERT_EQ(expected.size(), 10u);
  const auto tokens = static_cast<double>(batch_.target_tokens());
  for (double wanted : expected) {
    Tape tape(parameters);
    const Tensor loss = golden_loss(*model_, batch_).loss;
    ASSERT_NEAR(loss.item() / tokens, wanted, tolerance_ * wanted);
    const Gradients gradients = tape.backward(loss);
    Tensor flat = parameters.flat();
    optimizer.step(flat, gradients.flat(), {0.003, 1 / tokens});
  }
  EXPECT_LT(expected.back(), expected.front());
}

INSTANTIATE_TEST_SUITE_P(PreAndPostNorm, GoldenRun,
                         testing::Combine(testing::Values(0, 1), testing::Values(DType::float64, DType::float32)),
                         [](const auto& instance) {
                           return std::string(std::get<0>(instance.param) == 0 ? "pre" : "post") + "_" +
                                  std::string(name_of(std::get<1>(instance.param)));
                         });

}  // namespace
}  // namespace attune
