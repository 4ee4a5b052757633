// A tiny Transformer, pre- and post-norm, against PyTorch: logits, every parameter's gradient and ten losses of
// training (tests/goldens/make_transformer_golden.py). The weights come from the same formula on both sides.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "attune/train/optimizer.h"
#include "golden_model.h"

namespace attune {
namespace {

using testing::expect_golden_gradients;
using testing::expect_golden_logits;
using testing::golden_batch;
using testing::golden_loss;
using testing::set_start_values;

nlohmann::json golden_runs() {
  std::ifstream file(ATTUNE_SOURCE_DIR "/tests/goldens/transformer_golden.json");
  return nlohmann::json::parse(file)["runs"];
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

class GoldenRun : public ::testing::TestWithParam<std::tuple<int, DType>> {
 protected:
  nlohmann::json run_ = golden_runs()[static_cast<size_t>(std::get<0>(GetParam()))];
  DType dtype_ = std::get<1>(GetParam());
  double tolerance_ = dtype_ == DType::float64 ? 1e-9 : 1e-5;
  std::unique_ptr<Model> model_ = make_golden_model(run_, dtype_);
  Batch batch_ = golden_batch();
};

TEST_P(GoldenRun, logits_equal_pytorch) {
  expect_golden_logits(*model_, batch_, run_["logits"], tolerance_);
}

TEST_P(GoldenRun, every_gradient_equals_pytorch) {
  expect_golden_gradients(*model_, batch_, run_["gradients"], tolerance_);
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
                         ::testing::Combine(::testing::Values(0, 1), ::testing::Values(DType::float64, DType::float32)),
                         [](const auto& instance) {
                           return std::string(std::get<0>(instance.param) == 0 ? "pre" : "post") + "_" +
                                  std::string(name_of(std::get<1>(instance.param)));
                         });

}  // namespace
}  // namespace attune
