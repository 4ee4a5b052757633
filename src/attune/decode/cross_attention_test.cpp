#include "attune/decode/cross_attention.h"

#include <gtest/gtest.h>

#include <cmath>

#include "attune/base/check.h"
#include "attune/decode/alignment.h"
#include "attune/decode/toy_model_test.h"
#include "attune/models/architecture.h"
#include "attune/nn/initialise.h"

namespace attune {
namespace {

// Source pieces 3, of which one </s>; as many target pieces.
const std::vector<Example> one_pair = {{{3, 4}, {5, 6}}};

// Every head of a layer has these rows.
Tensor same_rows(int heads, std::initializer_list<float> row, int queries) {
  Tensor weights = Tensor::zeros({heads, queries, static_cast<int64_t>(row.size())});
  for (int64_t i = 0; i < weights.elements(); ++i) {
    weights.data<float>()[static_cast<size_t>(i)] = row.begin()[static_cast<size_t>(i) % row.size()];
  }
  return weights;
}

TEST(AttentionEntropy, is_the_mean_over_layers_and_rows_of_the_head_averaged_weights) {
  ToyModel model(9);
  // Layer 0: one head sees the first, the other the second piece: their mean sees both alike. Layer 1: one piece.
  model.attention = [](int layer, int queries, int) {
    Tensor weights = same_rows(
        2, layer == 0 ? std::initializer_list<float>{1, 0, 0} : std::initializer_list<float>{0, 0, 1}, queries);
    for (int i = 0; layer == 0 && i < queries; ++i) {
      weights.data<float>()[static_cast<size_t>((queries + i) * 3)] = 0;
      weights.data<float>()[static_cast<size_t>((queries + i) * 3 + 1)] = 1;
    }
    return weights;
  };
  const AttentionEntropy measured = attention_entropy(model, one_pair);
  EXPECT_NEAR(measured.entropy, std::log(2.0) / 2, 1e-12);
  EXPECT_NEAR(measured.even, std::log(3.0), 1e-12);
  EXPECT_EQ(measured.rows, 6);
}

TEST(AttentionEntropy, divides_rows_by_their_sum_and_leaves_out_those_of_zeros) {
  ToyModel model(9);
  model.config().decoder_layers = 1;
  model.attention = [](int, int queries, int) {
    Tensor weights = same_rows(1, {3, 3, 0}, queries);
    weights.data<float>()[0] = weights.data<float>()[1] = 0;
    return weights;
  };
  const AttentionEntropy measured = attention_entropy(model, one_pair);
  EXPECT_NEAR(measured.entropy, std::log(2.0), 1e-12);
  EXPECT_EQ(measured.rows, 2);
}

TEST(AttentionEntropy, knows_a_model_that_attends_to_nothing_and_one_that_attends_to_all) {
  const ToyModel blind(9);
  EXPECT_EQ(attention_entropy(blind, one_pair).rows, 0);

  ModelConfig config;
  config.encoder_layers = 1;
  config.decoder_layers = 2;
  config.width = 16;
  config.heads = 2;
  config.feed_forward = 16;
  config.cross_mixer = "mean";
  config.source_vocabulary = config.target_vocabulary = 20;
  const auto model = make_model(config);
  model->parameters().allocate();
  initialise(model->parameters(), Rng(1));
  const std::vector<Example> pairs = {{{3, 4, 5}, {6}}, {{7}, {8, 9, 10}}};
  const AttentionEntropy measured = attention_entropy(*model, pairs);
  EXPECT_EQ(measured.rows, 2 * (2 + 4));
  EXPECT_NEAR(measured.even, (2 * std::log(4.0) + 4 * std::log(2.0)) / 6, 1e-12);
  EXPECT_NEAR(measured.entropy, measured.even, 1e-6);
}

// Layer l's head h sees, before target word i, source word i + l + h, around the end of two words; it is the more sure
// the higher h.
Tensor shifted(int layer, int queries, int keys) {
  Tensor weights = Tensor::zeros({2, queries, keys});
  for (int head = 0; head < 2; ++head) {
    for (int i = 0; i < queries; ++i) {
      weights.data<float>()[static_cast<size_t>((head * queries + i) * keys + (i + layer + head) % (keys - 1))] =
          head == 0 ? 0.4F : 0.6F;
    }
  }
  return weights;
}

TEST(HeadAlignments, are_those_of_each_head_and_of_the_means) {
  ToyModel model(9);
  model.attention = shifted;
  const std::vector<Example> pairs = {{{3, 4}, {5, 6}}, {{4, 3}, {6, 5}}, {{3, 3}, {5}}};
  const std::vector<WordsOfPieces> words = {{{0, 1}, {0, 1}}, {{0, 1}, {0, 1}}, {{0, 1}, {0}}};
  const Alignment straight{{0, 0}, {1, 1}}, crossed{{1, 0}, {0, 1}};
  const auto all = align_words_by_head(model, pairs, words, 2);
  ASSERT_EQ(all.size(), 1U + 2 * 3);
  EXPECT_EQ(std::pair(all[0].layer, all[0].head), std::pair(-1, -1));
  for (size_t i = 1; i < all.size(); ++i) {
    const auto [layer, head] = std::pair(static_cast<int>(i - 1) / 3, static_cast<int>(i - 1) % 3 - 1);
    SCOPED_TRACE(i);
    EXPECT_EQ(std::pair(all[i].layer, all[i].head), std::pair(layer, head));
    const bool is_straight = (layer + (head < 0 ? 1 : head)) % 2 == 0;  // head 1 weighs more in the mean
    ASSERT_EQ(all[i].links.size(), 3U);
    EXPECT_EQ(all[i].links[0], is_straight ? straight : crossed);
    EXPECT_EQ(all[i].links[1], is_straight ? straight : crossed);
    EXPECT_EQ(all[i].links[2], (Alignment{{is_straight ? 0 : 1, 0}}));
    EXPECT_EQ(all[i].links, align_words(model, pairs, words, {.layer = layer, .head = head, .batch_size = 3}));
  }
  EXPECT_EQ(all[0].links, align_words(model, pairs, words, {}));
}

TEST(HeadAlignments, refuse_a_head_that_is_not_there_and_a_model_without_attention) {
  ToyModel model(9);
  const std::vector<WordsOfPieces> words = {{{0, 1}, {0, 1}}};
  EXPECT_THROW(align_words_by_head(model, one_pair, words, 4), Error);
  model.attention = shifted;
  EXPECT_THROW(align_words(model, one_pair, words, {.head = 2}), UsageError);
  EXPECT_THROW(align_words(model, one_pair, words, {.head = 99}), UsageError);
  EXPECT_THROW(align_words(model, one_pair, words, {.head = -2}), UsageError);
  model.config().cross_mixer = "mean";
  EXPECT_THROW(align_words_by_head(model, one_pair, words, 4), UsageError);
}

TEST(Alignment, refuses_layers_that_do_not_look_at_the_source_and_says_which_do) {
  ModelConfig config = defaults_of("luong");
  ASSERT_GT(config.decoder_layers, 1);  // of which the last alone attends
  check_options(AlignmentOptions{.layer = 0}, config);
  check_options(AlignmentOptions{.layer = -2}, config);
  try {
    check_options(AlignmentOptions{.layer = 1}, config);
    FAIL() << "layer 1 was taken";
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("alignment-layer: expected 0 to 0"), std::string::npos) << error.what();
  }
  EXPECT_THROW(check_options(AlignmentOptions{}, defaults_of("lstm")), Error);
}

}  // namespace
}  // namespace attune
