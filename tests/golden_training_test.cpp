// A tiny Transformer, pre- and post-norm, against PyTorch: logits, every parameter's gradient and ten losses of
// training (tests/goldens/make_transformer_golden.py). The weights come from the same formula on both sides.
#include <gtest/gtest.h>

#include "golden_model.h"

namespace attune {
namespace {

using testing::expect_golden_gradients;
using testing::expect_golden_logits;
using testing::expect_golden_training;
using testing::golden_batch;
using testing::set_start_values;

nlohmann::json golden_runs() {
  return testing::golden_file("transformer_golden.json")["runs"];
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
  expect_golden_training(*model_, batch_, run_["losses"], tolerance_);
}

INSTANTIATE_TEST_SUITE_P(PreAndPostNorm, GoldenRun,
                         ::testing::Combine(::testing::Values(0, 1), ::testing::Values(DType::float64, DType::float32)),
                         [](const auto& instance) {
                           return std::string(std::get<0>(instance.param) == 0 ? "pre" : "post") + "_" +
                                  std::string(name_of(std::get<1>(instance.param)));
                         });

}  // namespace
}  // namespace attune
