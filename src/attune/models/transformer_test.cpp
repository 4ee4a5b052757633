// What a Transformer's layers are put together from: stochastic depth, and where positions stand.
#include "attune/models/transformer.h"

#include <gtest/gtest.h>

#include "attune/autograd/tape.h"
#include "attune/base/error_of_test.h"
#include "attune/models/describe.h"
#include "attune/models/forms_test.h"

namespace attune {
namespace {

using testing::error_of;
using testing::ready;

ModelConfig with(void (*change)(ModelConfig&)) {
  ModelConfig config = testing::tiny("transformer");
  change(config);
  return config;
}

// What a residual branch of ones adds to zeros in training, by row.
std::vector<double> added(const Residual& residual, const Segments& segments, const Pass& pass) {
  const Tensor y = residual(Tensor::zeros({segments.rows(), 2}), segments, pass,
                            [](const Tensor& x) { return Tensor::full(x.shape(), 1); });
  std::vector<double> rows;
  for (int64_t row = 0; row < segments.rows(); ++row) rows.push_back(y.at(2 * row));
  return rows;
}

Residual residual_of(double survival, int layer, int layers) {
  ModelConfig config = testing::tiny("transformer");
  config.dropout = 0, config.survival = survival, config.width = 2;
  Residual residual(config, {layer, layers});
  Parameters parameters = parameters_of(residual.norm);
  parameters.allocate();
  return residual;
}

TEST(StochasticDepth, drops_the_whole_branch_of_a_sequence_and_divides_the_others_by_survival) {
  const std::vector<int> lengths(4000, 3);
  const Segments segments = Segments::of_lengths(lengths);
  const Residual residual = residual_of(0.8, 1, 2);
  const auto rows = added(residual, segments, {.dropout = Rng(3)});
  int survivors = 0;
  for (int s = 0; s < segments.count(); ++s) {
    const double first = rows[static_cast<size_t>(segments.begin(s))];
    ASSERT_TRUE(first == 0 || first == 1.25F) << first;
    for (int i = 1; i < 3; ++i) ASSERT_EQ(rows[static_cast<size_t>(segments.begin(s) + i)], first);
    survivors += first > 0 ? 1 : 0;
  }
  EXPECT_NEAR(survivors, 3200, 4 * 25.3) << "four standard deviations";
  EXPECT_EQ(added(residual, segments, {.dropout = Rng(3)}), rows) << "the generator says which";
  EXPECT_NE(added(residual, segments, {.dropout = Rng(4)}), rows);
  EXPECT_EQ(added(residual, segments, {}), std::vector<double>(12000, 1)) << "only in training";
}

// Huang 2016, equation 4.
TEST(StochasticDepth, survival_falls_linearly_to_that_of_the_last_layer) {
  for (int layer = 0; layer < 4; ++layer) {
    EXPECT_NEAR(residual_of(0.6, layer, 4).survival, 1 - 0.1 * (layer + 1), 1e-15);
  }
  EXPECT_EQ(residual_of(1, 3, 4).survival, 1);
  EXPECT_NEAR(residual_of(0.6, 0, 1).survival, 0.6, 1e-15);
}

TEST(StochasticDepth, branches_and_layers_are_drawn_apart_and_a_dropped_one_gets_no_gradient) {
  ModelConfig config = testing::tiny("transformer");
  config.dropout = config.attention_dropout = config.embedding_dropout = 0, config.survival = 0.3;
  config.encoder_layers = config.decoder_layers = 3;
  const auto model = ready(config);
  const Batch batch = make_batch(testing::examples(), std::vector<int>{1});  // one sequence
  std::map<std::string, int> alive;  // of 60 passes, by the weight of a branch's end
  int differ = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    Tape tape(model->parameters());
    const Tensor hidden = model->hidden(batch, {.dropout = Rng(seed)});
    const Tensor ones = Tensor::full(hidden.shape(), 1);
    Tensor weighted = ones.clone();
    for (size_t i = 0; i < weighted.data<float>().size(); ++i) weighted.data<float>()[i] = static_cast<float>(i % 5);
    const Gradients gradients = tape.backward(std::span(&hidden, 1), std::span(&weighted, 1));
    const auto lives = [&](const std::string& name) {
      const Tensor gradient = gradients[name];
      for (int64_t i = 0; i < gradient.elements(); ++i) {
        if (gradient.at(i) != 0) return true;
      }
      return false;
    };
    for (const char* name :
         {"decoder.layers.0.self_attention.output.weight", "decoder.layers.2.feed_forward.second.weight",
          "decoder.layers.2.self_attention.output.weight"}) {
      alive[name] += lives(name) ? 1 : 0;
    }
    differ +=
        lives("decoder.layers.2.feed_forward.second.weight") != lives("decoder.layers.2.self_attention.output.weight")
            ? 1
            : 0;
  }
  const double deviation = std::sqrt(60 * 0.3 * 0.7);
  EXPECT_NEAR(alive["decoder.layers.2.feed_forward.second.weight"], 60 * 0.3, 4 * deviation);
  EXPECT_NEAR(alive["decoder.layers.2.self_attention.output.weight"], 60 * 0.3, 4 * deviation);
  EXPECT_NEAR(alive["decoder.layers.0.self_attention.output.weight"], 60 * (1 - 0.7 / 3), 4 * deviation);
  EXPECT_GT(differ, 10);
}

TEST(TransformerPositions, learnt_ones_are_parameters_of_every_layer_and_both_sides) {
  const auto counted = [](const ModelConfig& config) { return describe(config, {}).parameters; };
  const int64_t none = counted(with([](ModelConfig& c) { c.positions = "none"; }));  // two layers a side, two heads
  EXPECT_EQ(counted(with([](ModelConfig& c) { c.positions = "relative"; })), none + 4 * 2 * 32);
  EXPECT_EQ(counted(with([](ModelConfig& c) { c.positions = "relative_offset", c.max_positions = 7; })),
            none + 2 * 2 * 13 + 2 * 2 * 7);
  for (const char* kind : {"rotary", "rotary_halves", "alibi"}) {
    ModelConfig config = testing::tiny("transformer");
    config.positions = kind;
    EXPECT_EQ(counted(config), none) << kind;
  }
}

// Without positions the encoder is a bag of words: the order of a source changes nothing that the decoder reads.
TEST(TransformerPositions, every_kind_tells_the_order_of_a_source) {
  const auto hidden = [](const ModelConfig& config, const std::vector<int32_t>& source) {
    const auto model = ready(config);
    return model->hidden(make_batch(std::vector<Example>{{source, {8, 9}}}, std::vector<int>{0}), {});
  };
  for (const char* kind : {"none", "relative", "relative_offset", "rotary", "rotary_halves", "alibi", "sinusoidal"}) {
    ModelConfig config = testing::tiny("transformer");
    config.positions = kind;
    const Tensor one = hidden(config, {5, 6, 7}), other = hidden(config, {7, 5, 6});
    double largest = 0;
    for (int64_t i = 0; i < one.elements(); ++i) largest = std::max(largest, std::fabs(one.at(i) - other.at(i)));
    if (config.positions == "none") {
      EXPECT_LT(largest, 1e-5);
    } else {
      EXPECT_GT(largest, 1e-4) << kind;
    }
  }
}

TEST(TransformerPositions, refuses_what_cannot_be_and_says_why) {
  const auto message = [](void (*change)(ModelConfig&)) { return error_of([&] { check_config(with(change)); }); };
  EXPECT_NE(message([](ModelConfig& c) { c.positions = "rotary", c.width = 6; }).find("a head has 3"),
            std::string::npos);
  EXPECT_NE(message([](ModelConfig& c) { c.positions = "alibi", c.encoder_mixer = c.decoder_mixer = "gru"; })
                .find("stands inside attention by scores (scaled_dot, local, sparse, bigbird), but encoder-mixer is "
                      "gru and decoder-mixer is gru"),
            std::string::npos);
  for (const MixerKind& kind : mixers()) {
    if (!kind.causal) continue;
    ModelConfig alone = with([](ModelConfig& c) { c.task = "language_model", c.positions = "rotary"; });
    alone.decoder_mixer = kind.word;
    const std::string said = error_of([&] { check_config(alone); });
    EXPECT_EQ(said == "no error", kind.positions) << said;
    EXPECT_EQ(said.ends_with("but decoder-mixer is " + alone.decoder_mixer), !kind.positions) << said;
  }
  ModelConfig convolutional = testing::tiny("convolutional");
  convolutional.positions = "relative";
  EXPECT_NE(error_of([&] { check_config(convolutional); }).find("does not have"), std::string::npos);
  EXPECT_NE(message([](ModelConfig& c) { c.positions = "T5"; }).find("relative_offset"), std::string::npos);
}

TEST(TransformerMixers, refuse_what_they_cannot_be_and_say_why) {
  const auto said = [](const char* mixer, void (*change)(ModelConfig&)) {
    ModelConfig config = testing::tiny("transformer");
    config.encoder_mixer = mixer;
    change(config);
    return error_of([&] { check_config(config); });
  };
  EXPECT_EQ(said("local", [](ModelConfig& c) { c.window = 5; }),
            "window: expected an even number of keys, half of them on each side, got 5");
  EXPECT_EQ(said("local", [](ModelConfig& c) { c.dilation = "1,2,4"; }),
            "dilation: expected one number, or one for each of the 2 heads, got 3");
  EXPECT_NE(said("local", [](ModelConfig& c) { c.dilation = "1,x"; }).find("dilation: expected whole numbers"),
            std::string::npos);
  EXPECT_NE(said("local", [](ModelConfig& c) { c.global_tokens = 1, c.positions = "alibi"; })
                .find("global-tokens: local attention with global tokens holds no positions inside it"),
            std::string::npos);
  EXPECT_NE(said("local", [](ModelConfig& c) { c.global_tokens = 1, c.normaliser = "relu"; }).find("global-tokens: "),
            std::string::npos);
  EXPECT_EQ(said("sparse", [](ModelConfig& c) { c.heads = 1; }),
            "heads: the mixer sparse needs 2 or more, as odd heads see what even ones do not; got 1");
  EXPECT_EQ(said("sparse", [](ModelConfig& c) { c.sparse_pattern = "fixed", c.stride = 4; }),
            "summary: expected at most stride (4), got 8");
  EXPECT_EQ(said("bigbird", [](ModelConfig& c) { c.window_blocks = 2; }),
            "window-blocks: expected an odd number, the query's own block in the middle, got 2");
  EXPECT_EQ(said("bigbird", [](ModelConfig& c) { c.global_tokens = 1; }),
            "global-tokens: bigbird has either global tokens or global-blocks, got 1 and 2");
  EXPECT_EQ(said("nystrom", [](ModelConfig& c) { c.value_kernel = 4; }),
            "value-kernel: expected 0 or an odd number, its middle at the token, got 4");
  for (const char* mixer : {"bigbird", "linformer", "nystrom"}) {
    ModelConfig config = testing::tiny("transformer");
    config.decoder_mixer = mixer;
    EXPECT_EQ(error_of([&] { check_config(config); }),
              "decoder-mixer: expected a mixer with a causal form, which can read a decoder's own past, got \"" +
                  std::string(mixer) + "\"");
  }
}

}  // namespace
}  // namespace attune
