#include <gtest/gtest.h>

#include <cstring>

#include "attune/autograd/gradient_check.h"
#include "attune/autograd/tape.h"
#include "attune/models/describe.h"
#include "attune/models/model.h"
#include "attune/nn/initialise.h"
#include "attune/ops/cross_entropy.h"
#include "attune/tensor/storage.h"

namespace attune {
namespace {

ModelConfig tiny() {
  ModelConfig config;
  config.encoder_layers = config.decoder_layers = 2;
  config.width = 16, config.heads = 2, config.feed_forward = 24;
  config.source_vocabulary = config.target_vocabulary = 20;
  return config;
}

std::vector<Example> examples() {
  return {{{5, 6, 7}, {8, 9}}, {{4}, {3, 5, 6, 7, 11}}, {{}, {4}}, {{9, 8, 7, 6, 5, 4, 3}, {}}};
}

std::unique_ptr<Model> ready(const ModelConfig& config) {
  auto model = make_model(config);
  model->parameters().allocate();
  initialise(model->parameters(), Rng(1));
  return model;
}

// The forms that the config offers, one word changed at a time.
std::vector<ModelConfig> forms() {
  std::vector<ModelConfig> list(24, tiny());
  list[1].norm_position = "post";
  list[2].norm = "rms_norm";
  list[3].activation = "gelu";
  list[4].gated_feed_forward = true;
  list[5].biases = false;
  list[6].positions = "learned";
  list[7].tied_embeddings = "none";
  list[8].tied_embeddings = "all";
  list[9].cross_mixer = "mean";
  list[10].encoder_mixer = "mean";
  list[11].normaliser = "relu_mean";
  list[12].normaliser = "relu_sum";
  list[13].normaliser = "sigmoid";
  list[14].embedding_scale = false;
  list[15].embedding_initialiser = "normal(0.5)";
  list[16].positions = "sinusoidal_concatenated";
  list[17].positions = "sinusoidal_tensor2tensor";
  list[18].positions = "none";
  list[19].activation = "gelu_tanh";
  list[20].activation = "tanh";
  list[21].norm_position = "post", list[21].norm = "rms_norm";
  list[22].attention_dropout = 0.4, list[22].activation_dropout = 0.3, list[22].embedding_dropout = 0;
  list[23].initialiser = "orthogonal";
  return list;
}

TEST(Transformer, a_sentence_does_not_depend_on_its_batch) {
  for (const ModelConfig& config : forms()) {
    const auto model = ready(config);
    const auto all = examples();
    const std::vector<int> everyone{0, 1, 2, 3};
    const Batch together = make_batch(all, everyone);
    const Tensor hidden = model->hidden(together, {});
    for (int i : everyone) {
      const Batch alone = make_batch(all, std::vector<int>{i});
      const Tensor single = model->hidden(alone, {});
      const auto whole = hidden.data<float>().subspan(static_cast<size_t>(together.targets.begin(i) * config.width));
      EXPECT_EQ(std::memcmp(single.data<float>().data(), whole.data(), single.data<float>().size_bytes()), 0);
    }
  }
}

TEST(Transformer, decoding_step_by_step_equals_the_whole_pass) {
  for (const ModelConfig& config : forms()) {
    const auto model = ready(config);
    const auto all = examples();
    const Batch batch = make_batch(all, std::vector<int>{1, 0});
    const Tensor hidden = model->hidden(batch, {});
    const std::vector<int> source_of{0, 1};
    const auto state = model->start(batch.source, batch.sources, source_of, {});
    for (int t = 0; t < 3; ++t) {
      std::vector<int32_t> tokens;
      for (int row : {0, 1}) {
        tokens.push_back(batch.target_input[static_cast<size_t>(batch.targets.begin(row) + t)]);
      }
      const Tensor y = model->step(*state, tokens, {});
      for (int row : {0, 1}) {
        for (int c = 0; c < config.width; ++c) {
          ASSERT_NEAR(y.at(row * config.width + c), hidden.at((batch.targets.begin(row) + t) * config.width + c), 1e-5);
        }
      }
    }
  }
}

TEST(Transformer, every_form_has_right_parameter_gradients_in_float64) {
  for (const ModelConfig& shape : forms()) {
    ModelConfig config = shape;
    config.encoder_layers = config.decoder_layers = 1;
    config.width = 4, config.feed_forward = 5;
    config.source_vocabulary = config.target_vocabulary = 12;
    config.activation = config.activation == "relu" ? "silu" : config.activation;  // no kinks
    auto model = make_model(config);
    model->parameters().allocate(DType::float64);
    initialise(model->parameters(), Rng(3));
    const std::vector<Example> all{{{5, 6}, {8, 9}}, {{4}, {3, 5}}};
    const Batch batch = make_batch(all, std::vector<int>{0, 1});
    const Pass pass{.dropout = Rng(4)};
    const auto loss = [&] {
      const OutputLayer output = model->output();
      return linear_cross_entropy(model->hidden(batch, pass), output.weight, output.bias, batch.target_output,
                                  {.label_smoothing = 0.1})
          .loss;
    };
    Tape tape(model->parameters());
    const Gradients gradients = tape.backward(loss());
    const NoTape pause;
    auto flat = const_cast<Tensor&>(model->parameters().flat()).data<double>();
    int checked = 0;
    for (const auto& entry : model->parameters().entries()) {
      const Tensor gradient = gradients[entry.name];
      for (int64_t i = 0; i < entry.parameter->elements(); i += 3) {
        double& value = flat[static_cast<size_t>(entry.offset + i)];
        const double kept = value, step = 1e-5;
        const auto at = [&](double offset) {
          value = kept + offset;
          const double result = loss().item();
          value = kept;
          return result;
        };
        const double numeric = (8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step);
        ASSERT_NEAR(gradient.at(i), numeric, 2e-7) << entry.name << '[' << i << ']';
        ++checked;
      }
    }
    EXPECT_GT(checked, 100);
  }
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

}  // namespace
}  // namespace attune
