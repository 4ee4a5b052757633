#include "attune/inspect/rollout.h"

#include <gtest/gtest.h>

#include <cmath>

#include "attune/inspect/attention_statistics.h"

namespace attune {
namespace {

AttentionMap map(AttentionKind kind, int layer, int head, int queries, int keys, std::vector<float> weights) {
  return {kind, layer, head, queries, keys, std::move(weights), {}, {}, {}};
}

TEST(Rollout, of_an_encoder_multiplies_the_layers_with_half_their_residuals) {
  const std::vector<AttentionMap> maps{map(AttentionKind::encoder, 0, 0, 2, 2, {1, 0, 0, 1}),
                                       map(AttentionKind::encoder, 0, 1, 2, 2, {0, 1, 1, 0}),   // mean: all 0.5
                                       map(AttentionKind::encoder, 1, 0, 2, 2, {0, 2, 0, 0})};  // 0 1; its own
  const auto rollout = encoder_rollout(maps, 2);
  ASSERT_EQ(rollout.size(), 2U);
  EXPECT_EQ(rollout[0].weights, (std::vector<float>{0.75F, 0.25F, 0.25F, 0.75F}));
  EXPECT_EQ(rollout[1].weights, (std::vector<float>{0.5F, 0.5F, 0.25F, 0.75F}));
  EXPECT_EQ(rollout[1].head, -1);
}

TEST(Rollout, of_a_decoder_shares_each_row_between_target_and_source) {
  const std::vector<AttentionMap> encoder{map(AttentionKind::encoder, 0, 0, 2, 2, {0, 1, 0, 1})};
  const std::vector<AttentionMap> decoder{map(AttentionKind::decoder, 0, 0, 2, 2, {1, 0, 1, 0}),
                                          map(AttentionKind::cross, 0, 0, 2, 2, {1, 0, 0.5F, 0.5F})};
  const auto memory = encoder_rollout(encoder, 1);  // 0.5 0.5; 0 1
  const auto rollout = decoder_rollout(decoder, 1, memory);
  ASSERT_EQ(rollout.size(), 2U);
  EXPECT_EQ(rollout[0].weights, (std::vector<float>{0.5F, 0, 0.25F, 0.25F}));
  EXPECT_EQ(rollout[1].weights, (std::vector<float>{0.25F, 0.25F, 0.125F, 0.375F}));
  EXPECT_TRUE(rollout[0].is_hidden(0, 1));
}

TEST(Rollout, needs_attention_in_every_layer) {
  const std::vector<AttentionMap> one{map(AttentionKind::encoder, 1, 0, 1, 1, {1})};
  EXPECT_TRUE(encoder_rollout(one, 2).empty());
  EXPECT_TRUE(decoder_rollout(one, 1, one).empty());
  EXPECT_TRUE(decoder_rollout(one, 1, {}).empty());
}

TEST(AttentionStatistics, are_those_of_the_rows_that_look_at_something) {
  const AttentionStatistics even = statistics_of(map(AttentionKind::cross, 0, 0, 2, 3, {1, 1, 1, 0, 0, 0}));
  EXPECT_NEAR(even.entropy, std::log(3.0), 1e-12);
  EXPECT_NEAR(even.even, std::log(3.0), 1e-12);
  EXPECT_NEAR(even.distance, (0 + 1 + 2) / 3.0, 1e-12);
  // The diagonal of 2 queries over 3 keys ends at the last key.
  EXPECT_NEAR(statistics_of(map(AttentionKind::cross, 0, 0, 2, 3, {1, 0, 0, 0, 0, 1})).distance, 0, 1e-12);
  AttentionMap causal = map(AttentionKind::decoder, 0, 0, 2, 2, {1, 0, 0.5F, 0.5F});
  causal.hidden = {false, true, false, false};
  const AttentionStatistics figures = statistics_of(causal);
  EXPECT_NEAR(figures.even, std::log(2.0) / 2, 1e-12);
  EXPECT_NEAR(figures.entropy, std::log(2.0) / 2, 1e-12);
  EXPECT_NEAR(figures.distance, 0.25, 1e-12);
}

}  // namespace
}  // namespace attune
