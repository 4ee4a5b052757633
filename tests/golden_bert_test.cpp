// A tiny two-layer BERT against PyTorch: logits of masked pieces and of next sentences, the loss and every parameter's
// gradient (tests/goldens/make_bert_golden.py). The weights come from the same formula on both sides.
#include <gtest/gtest.h>

#include "attune/train/masked_language_objective.h"
#include "golden_model.h"

namespace attune {
namespace {

using testing::expect_near_golden;

class GoldenBert : public ::testing::TestWithParam<DType> {
 protected:
  GoldenBert() {
    golden_ = testing::golden_file("bert_golden.json");
    batch_.ids = golden_["ids"].get<std::vector<int32_t>>();
    batch_.segments = Segments::of_lengths(golden_["lengths"].get<std::vector<int>>());
    batch_.types = golden_["types"].get<std::vector<int32_t>>();
    batch_.rows = golden_["rows"].get<std::vector<int32_t>>();
    batch_.gold = golden_["gold"].get<std::vector<int32_t>>();
    batch_.follows = golden_["follows"].get<std::vector<int32_t>>();
    model_.emplace(config());
    model_->parameters().allocate(GetParam());
    testing::set_start_values(model_->parameters());
  }

  static ModelConfig config() {
    ModelConfig config;
    config.task = "masked_language_model";
    config.tied_embeddings = "all";
    config.encoder_layers = 2;
    config.width = 8, config.heads = 2, config.feed_forward = 12;
    config.source_vocabulary = config.target_vocabulary = 13;
    config.positions = "learned", config.max_positions = 10;
    config.norm_position = "post", config.norm_epsilon = 1e-12;
    config.activation = "gelu";
    config.embedding_scale = false;
    config.embedding_norm = config.prediction_transform = config.next_sentence = true;
    config.dropout = 0;
    return config;
  }

  nlohmann::json golden_;
  MaskedBatch batch_;
  std::optional<MaskedLanguageModel> model_;
  double tolerance_ = GetParam() == DType::float64 ? 1e-9 : 1e-5;
};

TEST_P(GoldenBert, logits_equal_pytorch) {
  const Tensor hidden = model_->encoder()({batch_.ids, batch_.segments, batch_.types}, {});
  const OutputLayer output = model_->output();
  const Tensor logits = linear(model_->predicted(hidden, batch_.rows, {}), output.weight, output.bias);
  expect_near_golden(logits, golden_["logits"], tolerance_);
  expect_near_golden(model_->next_sentence(hidden, batch_.segments, {}), golden_["next_sentence"], tolerance_);
}

TEST_P(GoldenBert, loss_and_every_gradient_equal_pytorch) {
  Tape tape(model_->parameters());
  const BatchLoss loss = masked_language_loss(*model_, batch_, 0, {}).batch;
  ASSERT_EQ(loss.counted, 6);
  const double mean = loss.loss.item() / 6, expected = golden_["loss"];
  EXPECT_NEAR(mean, expected, tolerance_ * expected);
  testing::expect_golden_gradients(model_->parameters(), tape.backward(loss.loss), 6, golden_["gradients"], tolerance_);
}

INSTANTIATE_TEST_SUITE_P(Precisions, GoldenBert, ::testing::Values(DType::float64, DType::float32),
                         [](const auto& row) { return std::string(name_of(row.param)); });

}  // namespace
}  // namespace attune
