#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "attune/autograd/tape.h"
#include "attune/base/error_of_test.h"
#include "attune/models/convolutional.h"
#include "attune/models/describe.h"
#include "attune/models/forms_test.h"
#include "attune/models/mixer_options.h"
#include "attune/models/transformer.h"
#include "attune/ops/arithmetic.h"
#include "attune/tensor/storage.h"

namespace attune {
namespace {

using testing::error_of;
using testing::examples;
using testing::ready;

ModelConfig tiny() {
  return testing::tiny("transformer");
}

TEST(Config, json_round_trip_keeps_every_key_and_refuses_unknown_ones) {
  ModelConfig config = tiny();
  config.dropout = 0.25;
  config.normaliser = "sigmoid";
  config.lowercase = true;
  const std::string json = to_json(config);
  EXPECT_EQ(to_json(read_config(json, "here")), json);
  std::string wrong = json;
  wrong.replace(wrong.find("\"width\""), 7, "\"wdith\"");
  EXPECT_THROW(read_config(wrong, "here"), Error);
  EXPECT_THROW(read_config("{", "here"), Error);
  EXPECT_THROW(read_config("[]", "here"), Error);
  std::string large = json;
  large.replace(large.find("\"width\": 16"), 11, "\"width\": 99999999999");
  EXPECT_THROW(read_config(large, "here"), Error);
  config.heads = 3;
  EXPECT_THROW(check_config(config), UsageError);
}

TEST(Transformer, dropout_rates_act_where_their_keys_say) {
  const auto all = examples();
  const Batch batch = make_batch(all, std::vector<int>{0, 1, 2, 3});
  ModelConfig none = tiny();
  none.dropout = 0, none.embedding_dropout = 0, none.attention_dropout = 0, none.activation_dropout = 0;
  const Pass training{.dropout = Rng(5)};
  const auto changes = [&](const ModelConfig& config) {
    const auto model = ready(config);
    const Tensor with = model->hidden(batch, training), without = model->hidden(batch, {});
    return std::memcmp(with.data<float>().data(), without.data<float>().data(), with.data<float>().size_bytes()) != 0;
  };
  EXPECT_FALSE(changes(none));
  for (double ModelConfig::*rate : {&ModelConfig::dropout, &ModelConfig::embedding_dropout,
                                    &ModelConfig::attention_dropout, &ModelConfig::activation_dropout}) {
    ModelConfig one = none;
    one.*rate = 0.3;
    EXPECT_TRUE(changes(one));
  }
}

TEST(Transformer, takes_no_mixer_where_it_cannot_work) {
  ModelConfig config = tiny();
  config.cross_mixer = "convolution";
  EXPECT_EQ(error_of([&] { check_config(config); }),
            "cross-mixer: expected a mixer that can read another sequence than its own, got \"convolution\"");
  config = tiny();
  config.decoder_mixer = "mean";
  EXPECT_NE(error_of([&] { check_config(config); }).find("decoder-mixer: expected a mixer with a causal form"),
            std::string::npos);
}

TEST(Transformer, attention_dropout_is_refused_where_no_mixer_has_weights_to_drop) {
  for (const MixerKind& kind : mixers()) {
    if (!kind.causal) continue;
    ModelConfig config = tiny();
    config.task = "language_model";
    config.decoder_mixer = kind.word;
    for (const double harmless : {-1.0, 0.0}) {
      config.attention_dropout = harmless;
      EXPECT_NO_THROW(check_config(config)) << kind.word;
    }
    config.attention_dropout = 0.1;
    const std::string said = kind.drops_weights
                                 ? "no error"
                                 : "attention-dropout: 0.1 acts on the weights of scaled_dot, local, sparse, "
                                   "bigbird, linformer and of a tiny attention, but decoder-mixer is " +
                                       config.decoder_mixer + "; expected 0, or leave it out";
    EXPECT_EQ(error_of([&] { check_config(config); }), said);
    config.task = "translation";  // its cross-attention has them
    EXPECT_NO_THROW(check_config(config)) << kind.word;
    config.encoder_mixer = "lsh", config.cross_mixer = "mean";
    EXPECT_EQ(error_of([&] { check_config(config); }).find("but encoder-mixer is lsh and decoder-mixer is ") !=
                  std::string::npos,
              !kind.drops_weights);
  }
  ModelConfig amlp = tiny();
  amlp.task = "classification", amlp.encoder_mixer = "spatial_gating";
  amlp.attention_dropout = 0.1;
  EXPECT_THROW(check_config(amlp), UsageError);
  amlp.tiny_attention = 8;
  EXPECT_NO_THROW(check_config(amlp));
}

TEST(Config, says_what_ends_at_max_positions) {
  ModelConfig config = tiny();
  EXPECT_FALSE(ends_at_max_positions(config));
  config.encoder_mixer = "linformer";
  EXPECT_TRUE(ends_at_max_positions(config));
  EXPECT_FALSE(decoder_ends_at_max_positions(config));
  EXPECT_EQ(what_ends_at_max_positions(config), "linformer");
  config.decoder_mixer = "spatial_gating";
  EXPECT_TRUE(decoder_ends_at_max_positions(config));
  EXPECT_EQ(what_ends_at_max_positions(config), "spatial_gating");
  config.positions = "learned";
  EXPECT_EQ(what_ends_at_max_positions(config), "positions = learned");
}

TEST(Convolutional, encoder_gradient_multiplies_what_arrives_at_the_encoder_and_nothing_else) {
  const auto gradients_of = [](double factor) {
    ModelConfig config = testing::tiny("convolutional");
    config.encoder_gradient = factor;
    const auto model = ready(config, DType::float64);
    const Batch batch = make_batch(examples(), std::vector<int>{0, 1, 3});
    Tape tape(model->parameters());
    const Gradients gradients = tape.backward(sum(model->hidden(batch, {})));
    return std::array{gradients["encoder.output.weight_v"], gradients["encoder.layers.0.bias"],
                      gradients["decoder.layers.0.query.weight_v"]};
  };
  const auto whole = gradients_of(1), by_default = gradients_of(0);
  for (const auto& [part, factor] : {std::pair(0, 0.25), std::pair(1, 0.25), std::pair(2, 1.0)}) {
    const Tensor &full = whole[static_cast<size_t>(part)], &less = by_default[static_cast<size_t>(part)];
    for (int64_t i = 0; i < full.elements(); ++i) {
      ASSERT_NEAR(less.at(i), factor * full.at(i), 1e-12) << part;
    }
  }
}

TEST(Convolutional, channels_are_listed_layer_by_layer) {
  ModelConfig config = testing::tiny("convolutional");
  EXPECT_EQ(channels_of(config, 3), (std::vector<int>{16, 16, 16}));
  config.channels = "12,20";
  EXPECT_EQ(channels_of(config, 3), (std::vector<int>{12, 20, 20}));
  const auto model = make_model(config);
  EXPECT_EQ(model->parameters().find("encoder.layers.1.projection.weight_v")->parameter->shape(), Shape({20, 12}));
  EXPECT_EQ(model->parameters().find("decoder.layers.1.context.weight_v")->parameter->shape(), Shape({20, 16}));
  for (const char* wrong : {"12,", ",", "0", "-3", "12 20", "12,x", "99999999999", "1,2,3"}) {
    config.channels = wrong;
    EXPECT_NE(error_of([&] { check_config(config); }).find("channels"), std::string::npos) << wrong;
  }
}

// A model of an earlier version stays readable; what it does not say, it does not have.
TEST(Config, keys_that_an_older_file_does_not_have_mean_their_defaults) {
  std::string older = to_json(tiny()), key = "  \"kernel-width\": 3,\n";
  older.erase(older.find(key), key.size());
  const std::string now = "\"format-version\": 5";
  EXPECT_NE(error_of([&] { read_config(older, "here"); }).find("kernel-width is missing"), std::string::npos);
  for (const int version : {1, 2, 3, 4}) {
    std::string text = older;
    text.replace(text.find(now), now.size(), "\"format-version\": " + std::to_string(version));
    EXPECT_EQ(to_json(read_config(text, "here")), to_json(tiny()));
  }
}

TEST(Config, an_older_file_may_have_a_dropout_that_never_acted) {
  ModelConfig config = tiny();
  config.task = "language_model", config.decoder_mixer = "linear";
  const std::string wanted = to_json(config);
  config.attention_dropout = 0.1;
  std::string text = to_json(config);
  EXPECT_NE(error_of([&] { read_config(text, "here"); }).find("attention-dropout"), std::string::npos);
  text.replace(text.find("version\": 5"), 11, "version\": 4");
  EXPECT_EQ(to_json(read_config(text, "here")), wanted);
}

TEST(Config, refuses_json_that_nests_deeply_or_holds_numbers_of_64_bits) {
  const auto message = [](const std::string& json) -> std::string {
    try {
      read_config(json, "here");
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  };
  const size_t depth = 200'000;  // more than a stack holds, were it walked by recursion
  const std::string nested = std::string(depth, '[') + std::string(depth, ']');
  EXPECT_NE(message("{\"format-version\":" + nested + "}").find("nested"), std::string::npos);
  EXPECT_NE(message(nested).find("nested"), std::string::npos);
  std::string json = to_json(tiny());
  json.replace(json.find("\"width\": 16"), 11, "\"width\": 18446744073709551615");
  const std::string huge = message(json);
  EXPECT_NE(huge.find("width is 18446744073709551615, expected a whole number of 32 bits"), std::string::npos) << huge;
}

TEST(Config, a_key_that_says_nothing_to_the_architecture_is_refused) {
  for (const Architecture& architecture : architectures()) {
    const ModelConfig config = defaults_of(architecture.word);
    for (const std::string_view key : architecture.keys) {
      EXPECT_NO_THROW(check_key(config, key, key));
    }
    for (const Architecture& other : architectures()) {
      for (const std::string_view key : other.keys) {
        const bool read = std::count(architecture.keys.begin(), architecture.keys.end(), key) > 0;
        EXPECT_TRUE(read ||
                    error_of([&] { check_key(config, key, "--key"); }).find("leave it out") != std::string::npos)
            << architecture.word << ' ' << key;
      }
    }
    EXPECT_NO_THROW(check_key(config, "train", "--train"));
  }
}

TEST(Config, every_key_of_an_architecture_is_a_key_of_the_config) {
  std::vector<std::string> known;
  const ModelConfig config;
  ModelConfig::visit(config, [&](const char* key, const auto&, const char*) { known.emplace_back(key); });
  for (const Architecture& architecture : architectures()) {
    for (const std::string_view key : architecture.keys) {
      EXPECT_EQ(std::count(known.begin(), known.end(), key), 1) << key;
    }
  }
}

TEST(Describe, counts_a_large_model_without_memory) {
  ModelConfig config;
  config.encoder_layers = config.decoder_layers = 48;
  config.width = 8192, config.heads = 64, config.feed_forward = 32768;
  config.source_vocabulary = config.target_vocabulary = 32000;
  reset_peak_memory();
  const int64_t before = memory_use().peak;
  const ModelDescription big = describe(config);
  EXPECT_GT(big.parameters, int64_t{80} * 1000 * 1000 * 1000);
  EXPECT_EQ(memory_use().peak, before);
}

TEST(Describe, parameters_and_multiply_adds_equal_those_counted_by_hand) {
  const ModelDescription description = describe(tiny(), {.length = 10});
  const int64_t d = 16, f = 24, v = 20, attention = 4 * (d * d + d), feed = 2 * d * f + f + d, norm = 2 * d;
  EXPECT_EQ(description.parameters,
            2 * v * d + 2 * (attention + feed + 2 * norm) + 2 * (2 * attention + feed + 3 * norm) + 2 * norm + v);
  // Per source token: 4 projections, scores and mix over 10 keys, feed-forward; and keys and values for each decoder
  // layer.
  EXPECT_EQ(description.source_multiply_adds_per_token, 2 * (4 * d * d + 2 * d * 10 + 2 * d * f) + 2 * 2 * d * d);
  // Per target token: half the keys are visible on average; the cross-attention projects queries and output.
  EXPECT_EQ(description.target_multiply_adds_per_token,
            2 * (4 * d * d + d * 10 + 2 * d * d + 2 * d * 10 + 2 * d * f) + d * v);
  ModelConfig mean = tiny();
  mean.cross_mixer = "mean";
  const ModelDescription without = describe(mean, {.length = 10});
  EXPECT_EQ(without.target_multiply_adds_per_token, 2 * (4 * d * d + d * 10 + 2 * d * f) + d * v);
}

// Liu et al. 2021, table 1, at 196 tokens: 30 blocks, patches of 16 x 16 x 3 embedded, a norm and 1,000 classes around
// them; the published counts, and multiply-adds within 6 %.
TEST(Describe, gmlp_blocks_count_what_the_paper_says) {
  struct Published {
    int width, inner;
    int64_t parameters;
    double multiply_adds;
  };
  for (const Published& published :
       {Published{128, 768, 5'867'328, 1.4e9}, {256, 1536, 19'422'656, 4.5e9}, {512, 3072, 73'075'392, 15.8e9}}) {
    ModelConfig config = tiny();
    config.encoder_mixer = "spatial_gating";
    config.width = published.width, config.feed_forward = published.inner, config.max_positions = 196;
    EncoderLayer block(config, {});
    const int64_t d = published.width, f = published.inner, n = 196, block_parameters = parameters_of(block).count();
    EXPECT_EQ(block_parameters, 2 * d + d * f + f + f + n * n + n + f / 2 * d + d);
    EXPECT_EQ(30 * block_parameters + 768 * d + d + 2 * d + 1000 * d + 1000, published.parameters);
    const MixerCost cost = mixer_kind("spatial_gating").cost(self_mixer_options(config, 0), n);
    EXPECT_EQ(cost.per_query, d * f + f / 2 * d);
    EXPECT_EQ(cost.scores, n * f / 2);
    const double all = static_cast<double>(n * (30 * (cost.per_query + cost.per_key + cost.scores) + 768 * d));
    EXPECT_NEAR(all / published.multiply_adds, 1, 0.06) << d;
  }
}

TEST(Describe, no_feed_forward_follows_spatial_gating_and_a_tiny_attention_costs_what_it_is) {
  ModelConfig config = tiny();
  config.encoder_mixer = config.decoder_mixer = "spatial_gating";
  config.tiny_attention = 8;
  const ModelDescription description = describe(config, {.length = 10});
  for (const auto& tensor : description.tensors) {
    EXPECT_EQ(tensor.name.find("feed_forward"), std::string::npos) << tensor.name;
  }
  const int64_t d = 16, f = 24, c = 12, a = 8, v = 20;
  const int64_t each = d * f + c * d + 3 * d * a + a * c, mixed = (c + 2 * a) * 10;
  EXPECT_EQ(description.source_multiply_adds_per_token, 2 * (each + mixed) + 2 * 2 * d * d);
  EXPECT_EQ(description.target_multiply_adds_per_token, 2 * (each + mixed / 2 + 2 * d * d + 2 * d * 10) + d * v);
}

TEST(Transformer, spatial_gating_says_what_it_cannot_be) {
  const auto said = [](auto&& change) {
    ModelConfig config = tiny();
    config.encoder_mixer = "spatial_gating";
    change(config);
    return error_of([&] { check_config(config); });
  };
  EXPECT_EQ(said([](ModelConfig&) {}), "no error");
  EXPECT_EQ(said([](ModelConfig& c) { c.feed_forward = 23; }),
            "feed-forward: expected an even number, which spatial-gate = split can halve, got 23");
  EXPECT_EQ(said([](ModelConfig& c) { c.feed_forward = 23, c.spatial_gate = "linear"; }), "no error");
  EXPECT_EQ(said([](ModelConfig& c) { c.spatial_heads = 5; }),
            "spatial-heads: expected a divisor of the gate's channels (12), got 5");
  EXPECT_EQ(said([](ModelConfig& c) { c.tiny_attention = 6, c.tiny_attention_heads = 4; }),
            "tiny-attention-heads: expected a divisor of tiny-attention (6), got 4");
  EXPECT_NE(said([](ModelConfig& c) { c.spatial_gate = "spilt"; }).find("spatial-gate"), std::string::npos);
  EXPECT_NE(said([](ModelConfig& c) { c.cross_mixer = "spatial_gating"; }).find("cross-mixer: expected a mixer"),
            std::string::npos);
  ModelConfig short_one = tiny();
  short_one.encoder_mixer = "spatial_gating", short_one.max_positions = 3;
  const auto model = ready(short_one);
  EXPECT_EQ(error_of([&] { model->hidden(make_batch(examples(), std::vector<int>{0}), {}); }),
            "spatial_gating: a sequence has 4 tokens, but W was made for max-positions = 3; train with a larger "
            "max-positions or leave out longer sentences");
}

}  // namespace
}  // namespace attune
