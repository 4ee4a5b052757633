#include "attune/inspect/spatial_weights.h"

#include <gtest/gtest.h>

#include <functional>

#include "attune/base/rng.h"
#include "attune/inspect/inspector.h"
#include "attune/inspect/made_model_test.h"

namespace attune {
namespace {

AttentionMap square(int length, const std::function<double(int i, int j)>& weight) {
  AttentionMap map;
  map.queries = map.keys = length;
  for (int i = 0; i < length; ++i) {
    for (int j = 0; j < length; ++j) map.weights.push_back(static_cast<float>(weight(i, j)));
  }
  return map;
}

TEST(ToeplitzShare, is_1_of_weights_by_offset_and_about_0_of_independent_ones) {
  const Rng rng(7);
  const auto drawn = [&](int i, int j) { return rng.normal(static_cast<uint64_t>(100 * i + j)); };
  const auto by_offset = [&](int i, int j) { return drawn(50 + j - i, 99); };
  EXPECT_NEAR(toeplitz_share(square(12, by_offset)).value(), 1, 1e-6);
  double mean = 0;  // without the adjustment 23 diagonals of 144 weights would seem to explain 15 % of noise
  for (int n = 0; n < 20; ++n) {
    mean += toeplitz_share(square(12, [&](int i, int j) { return drawn(200 * n + i, j); })).value() / 20;
  }
  EXPECT_NEAR(mean, 0, 0.04);
  // As much noise as signal: half.
  EXPECT_NEAR(toeplitz_share(square(60, [&](int i, int j) { return by_offset(i, j) + drawn(i, j + 1000); })).value(),
              0.5, 0.12);
}

TEST(ToeplitzShare, leaves_masked_cells_out_and_is_not_given_where_it_would_say_nothing) {
  AttentionMap map = square(4, [](int i, int j) { return j > i ? 1e3 * i : 1.0 + j - i; });
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) map.hidden.push_back(j > i);
  }
  EXPECT_NEAR(toeplitz_share(map).value(), 1, 1e-12);
  EXPECT_FALSE(toeplitz_share(square(1, [](int, int) { return 1; })));
  EXPECT_FALSE(toeplitz_share(square(3, [](int, int) { return 0.5; })));
}

TEST(SpatialMaps, are_the_leading_part_of_every_layers_weights) {
  int gated = 0;
  for (const testing::Form& form : testing::forms()) {
    const bool encoder = form.config.encoder_mixer == "spatial_gating",
               decoder = form.config.decoder_mixer == "spatial_gating";
    SCOPED_TRACE(form.name);
    const LoadedModel loaded = testing::made_model(form.config, {"a b c d", "x y z"});
    const InspectedSentence sentence = inspect(loaded, {"a b c d", "x y z", {}});
    int in_encoder = 0, in_decoder = 0, tiny = 0;
    for (const auto* maps : {&sentence.maps, &sentence.hypotheses.front().maps}) {
      for (const AttentionMap& map : *maps) {
        tiny += map.kind == AttentionKind::encoder_tiny || map.kind == AttentionKind::decoder_tiny ? 1 : 0;
        const bool of_encoder = map.kind == AttentionKind::encoder_spatial;
        if (!of_encoder && map.kind != AttentionKind::decoder_spatial) {
          continue;
        }
        (of_encoder ? in_encoder : in_decoder) += 1;
        EXPECT_EQ(std::pair(map.queries, map.keys), of_encoder ? std::pair(5, 5) : std::pair(4, 4));
        EXPECT_EQ(map.is_hidden(0, 1), !of_encoder);
        const Tensor weights = *loaded.model->parameters()
                                    .find((of_encoder ? "encoder.layers." : "decoder.layers.") +
                                          std::to_string(map.layer) + ".self_attention.spatial.weight")
                                    ->parameter;
        const int64_t n = form.config.max_positions;
        const bool by_offset = weights.rank() == 2;
        for (int i = 0; i < map.queries; ++i) {
          for (int j = 0; j <= (of_encoder ? map.keys - 1 : i); ++j) {
            const int64_t at = by_offset ? map.head * (2 * n - 1) + j - i + n - 1 : (map.head * n + i) * n + j;
            EXPECT_EQ(map.weight(i, j), static_cast<float>(weights.at(at)));
          }
        }
        if (by_offset && map.toeplitz) {
          EXPECT_NEAR(*map.toeplitz, 1, 1e-5);
        }
      }
    }
    EXPECT_EQ(in_encoder > 0, encoder);
    EXPECT_EQ(in_decoder > 0, decoder);
    EXPECT_EQ(tiny, form.config.tiny_attention == 0
                        ? 0
                        : form.config.tiny_attention_heads * ((encoder ? form.config.encoder_layers : 0) +
                                                              (decoder ? form.config.decoder_layers : 0)));
    gated += encoder || decoder ? 1 : 0;
  }
  EXPECT_GT(gated, 1);
}

}  // namespace
}  // namespace attune
