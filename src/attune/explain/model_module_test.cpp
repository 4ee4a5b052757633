#include "attune/explain/model_module.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>
#include <set>

#include "attune/autograd/tape.h"
#include "attune/base/error_of_test.h"
#include "attune/inspect/inspector.h"
#include "attune/inspect/made_model_test.h"
#include "attune/ops/cross_entropy.h"
#include "attune/ops/linear.h"

namespace attune::explain {
namespace {

using attune::testing::made_model;
using attune::testing::tiny;

const std::string source = "a b c d", target = "x y z";

LoadedModel made(const ModelConfig& config) {
  return made_model(config, {source, target});
}

std::map<std::string, Step> explained(const LoadedModel& loaded, const ModuleOptions& chosen) {
  ExplainOptions options;
  options.loss = "none";
  std::map<std::string, Step> steps;
  const Given given = read_module(loaded, source, chosen, options);
  for (const Section& section : explain_mechanism(options, given).sections) {
    for (const Step& step : section.steps) {
      EXPECT_TRUE(steps.emplace(step.name, step).second) << step.name << " occurs twice";
    }
  }
  return steps;
}

// The maps of inspect, which shows what the model's own path records.
std::vector<AttentionMap> inspected(const LoadedModel& loaded, AttentionKind kind, int layer) {
  const InspectedSentence sentence = inspect(loaded, {source, target, {}});
  std::vector<AttentionMap> maps;
  for (const auto* list : {&sentence.maps, &sentence.hypotheses.front().maps}) {
    for (const AttentionMap& map : *list) {
      if (map.kind == kind && map.layer == layer) maps.push_back(map);
    }
  }
  return maps;
}

// weights [queries, keys], or [heads, queries, keys]
void expect_weights(const Tensor& weights, const std::vector<AttentionMap>& maps) {
  ASSERT_FALSE(maps.empty());
  int64_t at = 0;
  for (const AttentionMap& map : maps) {
    for (int i = 0; i < map.queries; ++i) {
      for (int j = 0; j < map.keys; ++j, ++at) {
        EXPECT_NEAR(weights.at(at), map.weight(i, j), 1e-6) << map.head << " " << i << " " << j;
      }
    }
  }
  EXPECT_EQ(at, weights.elements());
}

// W [in, out] against its own gradient in the model [out, in], of -log p of the whole translation.
void expect_gradient(const Tensor& found, const Tensor& of_model) {
  ASSERT_EQ(found.elements(), of_model.elements());
  double largest = 0;
  const int64_t in = of_model.rank() == 1 ? 1 : of_model.size(1), out = of_model.size(0);
  for (int64_t i = 0; i < in * out; ++i) largest = std::max(largest, std::abs(of_model.at(i)));
  EXPECT_GT(largest, 1e-5);
  for (int64_t i = 0; i < in; ++i) {
    for (int64_t j = 0; j < out; ++j) {
      EXPECT_NEAR(found.at(i * out + j), of_model.at(j * in + i), 2e-5 * largest) << i << " " << j;
    }
  }
}

TEST(ModelModule, weights_and_gradients_of_every_attention_are_the_models_own) {
  const LoadedModel loaded = made(tiny("transformer"));
  const Parameters& parameters = loaded.model->parameters();
  Tape tape(parameters);
  const Example pair{loaded.tokenizers.source->encode(source), loaded.tokenizers.target->encode(target)};
  const Batch batch = make_batch(std::span(&pair, 1), std::array{0});
  const OutputLayer output = loaded.model->output();
  const Tensor logits = linear(loaded.model->hidden(batch, {}), output.weight, output.bias);
  const Gradients gradients = tape.backward(cross_entropy(logits, batch.target_output).loss);
  const NoTape pause;
  using Module = std::pair<const char*, AttentionKind>;
  for (const auto& [name, kind] : {Module{"encoder.layers.1.self_attention", AttentionKind::encoder},
                                   Module{"decoder.layers.0.self_attention", AttentionKind::decoder},
                                   Module{"decoder.layers.1.cross_attention", AttentionKind::cross}}) {
    SCOPED_TRACE(name);
    const int layer = name[15] - '0';
    const auto steps = explained(loaded, {.module = name, .target = target});
    const auto maps = inspected(loaded, kind, layer);
    expect_weights(steps.at("P").value, maps);
    for (const auto& [weight, part] : {std::pair{"q", "query"}, {"k", "key"}, {"v", "value"}, {"o", "output"}}) {
      const std::string at = std::string(name) + "." + part;
      expect_gradient(steps.at(std::string("dW") + weight).value, gradients[at + ".weight"]);
      if (*weight != 'k') {  // softmax does not see what is added to every key: 0
        expect_gradient(steps.at(std::string("db") + weight).value, gradients[at + ".bias"]);
      }
    }
    for (int head = 0; head < 2; ++head) {
      const auto of_head = explained(loaded, {.module = name, .target = target, .head = head});
      expect_weights(of_head.at("P").value, {maps[static_cast<size_t>(head)]});
      EXPECT_EQ(of_head.at("Wq").value.shape(), Shape({16, 8}));
      for (int64_t i = 0; i < 16; ++i) {  // the head's columns of the whole
        EXPECT_NEAR(of_head.at("dWv").value.at(i * 8), steps.at("dWv").value.at(i * 16 + head * 8), 1e-6);
      }
    }
    EXPECT_EQ(steps.at("E").labels.rows, (std::vector<std::string>{"a", "b", "c", "d", "</s>"}));
    EXPECT_EQ(steps.at("Q").labels.rows.front(), kind == AttentionKind::encoder ? "a" : "<s>");
    EXPECT_EQ(steps.at("P").labels.columns.back(), kind == AttentionKind::decoder ? "z" : "</s>");
  }
}

std::vector<ModelConfig> attending_forms() {
  std::vector<ModelConfig> forms;
  const auto add = [&](const char* architecture, auto&& change) {
    forms.push_back(tiny(architecture));
    forms.back().width = 8;
    change(forms.back());
  };
  add("transformer", [](ModelConfig& c) { c.biases = false; });
  add("transformer", [](ModelConfig& c) { c.normaliser = "relu_sum", c.norm_position = "post"; });
  add("bahdanau", [](ModelConfig&) {});
  for (const char* score : {"dot", "general", "concat", "location"}) {
    add("luong", [&](ModelConfig& c) { c.cross_mixer = score, c.input_feeding = *score == 'c'; });
  }
  add("luong", [](ModelConfig& c) { c.cross_mixer = "dot", c.attention_window = "local-m", c.window_reach = 1; });
  add("luong", [](ModelConfig& c) { c.cross_mixer = "dot", c.attention_window = "local-p", c.window_reach = 2; });
  return forms;
}

TEST(ModelModule, forms_of_scaled_dot_and_of_recurrent_attention_show_what_inspect_records) {
  std::set<std::string> mechanisms;
  for (const ModelConfig& config : attending_forms()) {
    SCOPED_TRACE(config.architecture + " " + config.cross_mixer + " " + config.attention_window);
    const LoadedModel loaded = made(config);
    const std::string cross = "decoder.layers.0.cross_attention";
    const auto steps = explained(loaded, {.module = cross, .target = target});
    expect_weights(steps.at(steps.count("W") == 1 ? "W" : "P").value, inspected(loaded, AttentionKind::cross, 0));
    EXPECT_EQ(steps.count("dX"), 1U);
    ExplainOptions options;
    read_module(loaded, source, {.module = cross, .target = target}, options);
    mechanisms.insert(options.mechanism);
  }
  EXPECT_EQ(mechanisms, (std::set<std::string>{"scaled_dot", "additive", "dot", "general", "concat", "location",
                                               "local-m", "local-p"}));
}

TEST(ModelModule, reads_the_models_own_translation_where_none_is_given) {
  const LoadedModel loaded = made(tiny("transformer"));
  const auto found = inspect(loaded, {source, {}, {}});
  const auto steps = explained(loaded, {.module = "decoder.layers.0.self_attention"});
  EXPECT_EQ(steps.at("X").value.size(0), static_cast<int64_t>(found.hypotheses.front().read.size()));
}

TEST(ModelModule, refuses_what_a_model_does_not_have) {
  const auto error = [&](const ModelConfig& config, const ModuleOptions& chosen) {
    const LoadedModel loaded = made(config);
    ExplainOptions options;
    return attune::testing::error_of([&] { read_module(loaded, source, chosen, options); });
  };
  const std::string unknown = error(tiny("transformer"), {.module = "encoder.layers.2.self_attention"});
  EXPECT_NE(unknown.find("decoder.layers.1.cross_attention"), std::string::npos) << unknown;
  EXPECT_NE(error(tiny("transformer"), {.head = 2}).find("head: expected"), std::string::npos);
  EXPECT_NE(error(tiny("transformer"), {.target = attune::testing::sentence_of(300)}).find("1 to 255 pieces"),
            std::string::npos);
  EXPECT_NE(error(tiny("gru"), {}).find("no attention that can be explained"), std::string::npos);
  EXPECT_NE(error(tiny("convolutional"), {}).find("no attention that can be explained"), std::string::npos);
  ModelConfig mean = tiny("transformer"), window = tiny("luong"), turned = tiny("transformer");
  mean.cross_mixer = "mean", window.attention_window = "local-m", turned.positions = "rotary";
  EXPECT_NE(
      error(turned, {.module = "encoder.layers.0.self_attention"}).find("one of decoder.layers.0.cross_attention"),
      std::string::npos);
  EXPECT_EQ(error(mean, {.module = "decoder.layers.0.cross_attention"}).find("cross_attention, "), std::string::npos);
  EXPECT_NE(error(window, {}).find("explained with the score dot"), std::string::npos);
}

TEST(ModelModule, other_weights_than_the_models_are_refused) {
  const LoadedModel loaded = made(tiny("transformer"));
  ExplainOptions options;
  Given given = read_module(loaded, source, {}, options);
  given.module->weights.data<double>()[3] += 0.01;
  const std::string message = attune::testing::error_of([&] { explain_mechanism(options, given); });
  EXPECT_NE(message.find("parts that this explanation does not know of"), std::string::npos) << message;
}

// Z by hand: a query reads rows that are not its own.
TEST(Explain, cross_attention_and_biases_keep_their_finite_differences) {
  Given given;
  const auto matrix = [](const Shape& shape, std::initializer_list<double> values) {
    return Tensor::of<double>(shape, values);
  };
  given.matrices = {{"X", matrix({1, 2}, {1, -1})},         {"Z", matrix({3, 2}, {1, 0, 0.5, 2, -1, 1})},
                    {"Wq", matrix({2, 2}, {1, 0.5, 0, 1})}, {"bq", matrix({1, 2}, {0.1, 0.2})},
                    {"bk", matrix({1, 2}, {-0.1, 0.3})},    {"bv", matrix({1, 2}, {0.4, 0})}};
  int checked = 0;
  for (const Section& section : explain_mechanism({}, given).sections) {
    for (const Step& step : section.steps) {
      for (int64_t i = 0; step.finite_difference && i < step.value.elements(); ++i) {
        EXPECT_NEAR(step.value.at(i), step.finite_difference.at(i), 1e-9) << step.name;
      }
      checked += step.finite_difference ? 1 : 0;
      if (step.name == "P") {
        EXPECT_EQ(step.value.shape(), Shape({1, 3}));
      }
    }
  }
  EXPECT_GE(checked, 14);
}

}  // namespace
}  // namespace attune::explain
