// A tiny Bahdanau model against PyTorch's loop over the paper's equations: logits and every parameter's gradient
// (tests/goldens/make_bahdanau_golden.py).
#include "attune/models/architecture.h"
#include "golden_model.h"

namespace attune {
namespace {

class GoldenBahdanau : public ::testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    golden_ = testing::golden_file("bahdanau_golden.json");
    ModelConfig config = defaults_of("bahdanau");
    config.width = 8, config.source_vocabulary = config.target_vocabulary = 11, config.dropout = 0;
    config.embedding_scale = false;
    model_ = make_model(config);
    model_->parameters().allocate(GetParam());
    testing::set_start_values(model_->parameters());
  }
  nlohmann::json golden_;
  std::unique_ptr<Model> model_;
  double tolerance_ = GetParam() == DType::float64 ? 1e-9 : 1e-5;
};

TEST_P(GoldenBahdanau, logits_equal_pytorch) {
  testing::expect_golden_logits(*model_, testing::golden_batch(), golden_["logits"], tolerance_);
}

TEST_P(GoldenBahdanau, every_gradient_equals_pytorch) {
  testing::expect_golden_gradients(*model_, testing::golden_batch(), golden_["gradients"], tolerance_);
}

INSTANTIATE_TEST_SUITE_P(Types, GoldenBahdanau, ::testing::Values(DType::float64, DType::float32),
                         [](const auto& instance) { return std::string(name_of(instance.param)); });

}  // namespace
}  // namespace attune
