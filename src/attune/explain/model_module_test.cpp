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
#include "attune/nn/mixer.h"
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

std::map<std::string, Step> explained(const LoadedModel& loaded, const ModuleOptions& chosen,
                                      const std::string& read = source) {
  ExplainOptions options;
  options.loss = "none";
  std::map<std::string, Step> steps;
  const Given given = read_module(loaded, read, chosen, options);
  for (const Section& section : explain_mechanism(options, given).sections) {
    for (const Step& step : section.steps) {
      EXPECT_TRUE(steps.emplace(step.name, step).second) << step.name << " occurs twice";
    }
  }
  return steps;
}

// The maps of inspect, which shows what the model's own path records.
std::vector<AttentionMap> inspected(const LoadedModel& loaded, AttentionKind kind, int layer,
                                    const std::string& read = source, const std::string& written = target) {
  const InspectedSentence sentence = inspect(loaded, {read, written, {}});
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

double largest_of(const Tensor& x) {
  double largest = 0;
  for (int64_t i = 0; i < x.elements(); ++i) largest = std::max(largest, std::abs(x.at(i)));
  return largest;
}

// W [in, out] against its own gradient in the model [out, in], of -log p of the whole translation. largest: of numbers
// that it is like.
void expect_gradient(const Tensor& found, const Tensor& of_model, double largest) {
  ASSERT_EQ(found.elements(), of_model.elements());
  const int64_t in = of_model.rank() == 1 ? 1 : of_model.size(1), out = of_model.size(0);
  EXPECT_GT(largest, 1e-5);
  for (int64_t i = 0; i < in; ++i) {
    for (int64_t j = 0; j < out; ++j) {
      EXPECT_NEAR(found.at(i * out + j), of_model.at(j * in + i), 2e-5 * largest) << i << " " << j;
    }
  }
}

// Of -log p of the translation.
Gradients gradients_of(const LoadedModel& loaded, const std::string& read, const std::string& written) {
  Tape tape(loaded.model->parameters());
  const Example pair{loaded.tokenizers.source->encode(read), loaded.tokenizers.target->encode(written)};
  const Batch batch = make_batch(std::span(&pair, 1), std::array{0});
  const OutputLayer output = loaded.model->output();
  const Tensor logits = linear(loaded.model->hidden(batch, {}), output.weight, output.bias);
  return tape.backward(cross_entropy(logits, batch.target_output).loss);
}

TEST(ModelModule, weights_and_gradients_of_every_attention_are_the_models_own) {
  const LoadedModel loaded = made(tiny("transformer"));
  const Gradients gradients = gradients_of(loaded, source, target);
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
      const double largest = largest_of(gradients[at + ".weight"]);
      expect_gradient(steps.at(std::string("dW") + weight).value, gradients[at + ".weight"], largest);
      expect_gradient(steps.at(std::string("db") + weight).value, gradients[at + ".bias"], largest);
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

struct SubQuadratic {
  const char* name;
  void (*change)(ModelConfig&);
};

// In encoder and, where the mixer has a causal form, decoder.
const std::vector<SubQuadratic>& family() {
  static const std::vector<SubQuadratic> all{
      {"local", [](ModelConfig& c) { c.window = 4, c.dilation = "1,2"; }},
      {"local", [](ModelConfig& c) { c.window = 2, c.global_tokens = 2; }},
      {"local", [](ModelConfig& c) { c.window = 2, c.normaliser = "relu_sum"; }},
      {"sparse", [](ModelConfig& c) { c.stride = 3; }},
      {"sparse", [](ModelConfig& c) { c.sparse_pattern = "fixed", c.stride = 3, c.summary = 2; }},
      {"bigbird", [](ModelConfig& c) { c.block = 1, c.window_blocks = 1, c.global_blocks = 1, c.random_blocks = 2; }},
      {"bigbird",
       [](ModelConfig& c) {
         c.block = 2, c.window_blocks = 1, c.global_blocks = 0, c.random_blocks = 1, c.global_tokens = 1;
       }},
      {"lsh", [](ModelConfig& c) { c.lsh_chunk = 3, c.lsh_hashes = 3; }},
      {"lsh", [](ModelConfig& c) { c.lsh_chunk = 0; }},
      {"lsh", [](ModelConfig& c) { c.lsh_chunk = 2, c.lsh_sees_itself = true; }},
      {"lsh", [](ModelConfig& c) { c.lsh_chunk = 4, c.biases = false; }},
      {"linear", [](ModelConfig&) {}},
      {"performer", [](ModelConfig& c) { c.features = 6; }},
      {"performer", [](ModelConfig& c) { c.feature_kernel = "relu"; }},
      {"linformer", [](ModelConfig& c) { c.projected_length = 4, c.projection_sharing = "none"; }},
      {"linformer", [](ModelConfig& c) { c.projected_length = 4; }},
      {"linformer", [](ModelConfig& c) { c.projected_length = 4, c.projection_sharing = "key_value"; }},
      {"linformer", [](ModelConfig& c) { c.projected_length = 4, c.projection_sharing = "layers"; }},
      {"nystrom", [](ModelConfig& c) { c.landmarks = 3; }},
      {"nystrom", [](ModelConfig& c) { c.landmarks = 12, c.value_kernel = 3; }}};
  return all;
}

ModelConfig config_of(const SubQuadratic& form) {
  ModelConfig config = tiny("transformer");
  config.width = 64;  // so wide that pages have no finite differences, which other tests go through
  config.encoder_mixer = form.name;
  if (mixer_kind(form.name).causal) config.decoder_mixer = form.name;
  form.change(config);
  return config;
}

// A module as its pages show it: one of all heads, or one for each, whose columns are joined here.
class Pages {
 public:
  Pages(const LoadedModel& loaded, const std::string& module, const std::string& text)
      : config_(loaded.model->config()), n_(static_cast<int64_t>(loaded.tokenizers.source->encode(text).size()) + 1) {
    const std::string& mixer = module.starts_with("encoder") ? config_.encoder_mixer : config_.decoder_mixer;
    const bool together = mixer == "local" || mixer == "sparse" || mixer == "bigbird";
    for (int head = together ? -1 : 0; head < (together ? 0 : config_.heads); ++head) {
      pages_.push_back(explained(loaded, {.module = module, .target = text, .head = head}, text));
    }
  }

  const std::vector<std::map<std::string, Step>>& each() const { return pages_; }
  bool have(const std::string& name) const { return pages_.front().count(name) == 1; }

  Tensor joined(const std::string& name) const {
    const Tensor first = pages_.front().at(name).value;
    const int64_t rows = first.size(0), columns = first.size(1), width = columns * std::ssize(pages_);
    Tensor all = Tensor::empty({rows, width}, DType::float64);
    for (int64_t i = 0; i < rows * width; ++i) {
      const Tensor& page = pages_[static_cast<size_t>(i % width / columns)].at(name).value;
      all.data<double>()[static_cast<size_t>(i)] = page.at(i / width * columns + i % columns);
    }
    return all;
  }

  // [heads, n, n], all that reaches a value: of projections, with the convolution, of global tokens too.
  Tensor weights() const {
    Tensor all = Tensor::empty({config_.heads, n_, n_}, DType::float64);
    for (int64_t at = 0; at < all.elements(); ++at) {
      const auto& page = pages_[pages_.size() == 1 ? 0 : static_cast<size_t>(at / (n_ * n_))];
      const int64_t within = pages_.size() == 1 ? at : at % (n_ * n_), i = at / n_ % n_, j = at % n_;
      double weight = page.at(page.count("P_F") == 1 ? "P_F" : "P").value.at(within);
      if (page.count("C") == 1 && page.count("F") == 1 && std::abs(i - j) <= 1) {
        weight += page.at("C").value.at(j - i + 1);  // three taps
      }
      if (page.count("Pg") == 1 && i < 2) weight += page.at("Pg").value.at((at / (n_ * n_) * 2 + i) * n_ + j);
      all.data<double>()[static_cast<size_t>(at)] = weight;
    }
    return all;
  }

 private:
  const ModelConfig& config_;
  int64_t n_;
  std::vector<std::map<std::string, Step>> pages_;
};

void expect_module(const LoadedModel& loaded, const std::string& module, const std::string& text,
                   const Gradients& gradients) {
  SCOPED_TRACE(module);
  const bool encoder = module.starts_with("encoder");
  const Pages pages(loaded, module, text);
  expect_weights(pages.weights(), inspected(loaded, encoder ? AttentionKind::encoder : AttentionKind::decoder,
                                            module[15] - '0', text, text));
  int weights = 0;
  for (const auto& entry : loaded.model->parameters().entries()) {
    for (const auto& [part, letter] : {std::pair{".query", "q"},
                                       {".key", "k"},
                                       {".value", "v"},
                                       {".output", "o"},
                                       {".global_query", "qg"},
                                       {".global_key", "kg"},
                                       {".global_value", "vg"}}) {
      const std::string name = module + part;
      if (entry.name != name + ".weight" || !pages.have(std::string("dW") + letter)) continue;
      SCOPED_TRACE(name);
      ++weights;
      const double largest = largest_of(gradients[entry.name]);
      expect_gradient(pages.joined(std::string("dW") + letter), gradients[entry.name], largest);
      if (!loaded.model->config().biases) continue;
      expect_gradient(pages.joined(std::string("db") + letter), gradients[name + ".bias"], largest);
    }
  }
  const bool lsh = pages.have("N") || !pages.have("Wk");
  EXPECT_EQ(weights, (lsh ? 2 : 3) + (pages.have("Wo") ? 1 : 0) + (pages.have("Wqg") ? 3 : 0));
}

TEST(ModelModule, weights_and_gradients_of_the_sub_quadratic_family_are_the_models_own) {
  const std::string text = attune::testing::sentence_of(8);
  for (const SubQuadratic& form : family()) {
    const ModelConfig config = config_of(form);
    SCOPED_TRACE(std::string(form.name) + " " + std::to_string(&form - family().data()));
    const LoadedModel loaded = made_model(config, {text});
    const Gradients gradients = gradients_of(loaded, text, text);
    for (const char* side : {"encoder", "decoder"}) {
      for (int layer = 0; layer < 2 && (*side == 'e' || mixer_kind(form.name).causal); ++layer) {
        expect_module(loaded, side + (".layers." + std::to_string(layer)) + ".self_attention", text, gradients);
      }
    }
  }
}

// What heads, keys and values, or layers share has the sum of their pages' gradients.
TEST(ModelModule, shared_projections_and_taps_have_the_sum_of_their_heads_gradients) {
  const std::string text = attune::testing::sentence_of(8);
  for (const SubQuadratic& form : family()) {
    const ModelConfig config = config_of(form);
    if (config.encoder_mixer != "linformer" && config.value_kernel == 0) continue;
    SCOPED_TRACE(form.name + (" " + config.projection_sharing));
    const LoadedModel loaded = made_model(config, {text});
    const Gradients gradients = gradients_of(loaded, text, text);
    const NoTape pause;
    std::map<std::string, std::vector<double>> sums;  // by parameter, in its own layout
    for (int layer = 0; layer < 2; ++layer) {
      const std::string module = "encoder.layers." + std::to_string(layer) + ".self_attention";
      const Pages pages(loaded, module, text);
      const std::string owner = config.projection_sharing == "layers" ? "encoder.layers.0.self_attention" : module;
      const bool one = config.projection_sharing == "key_value" || config.projection_sharing == "layers";
      for (const auto& [step, name] : {std::pair<std::string, std::string>{"dE", owner + ".projection.key"},
                                       {"dF", owner + (one ? ".projection.key" : ".projection.value")},
                                       {"dC", module + ".convolution"}}) {
        const Parameters::Entry* entry = loaded.model->parameters().find(name);
        if (!pages.have(step) || entry == nullptr) continue;
        const Shape& shape = entry->parameter->shape();
        std::vector<double>& sum = sums[name];
        sum.resize(static_cast<size_t>(shape.elements()));
        for (size_t head = 0; head < pages.each().size(); ++head) {
          const Tensor& part = pages.each()[head].at(step).value;
          const int64_t of_head = shape[0] == 1 ? 0 : static_cast<int64_t>(head) * shape.elements() / shape[0];
          for (int64_t i = 0; i < part.elements(); ++i) {
            sum[static_cast<size_t>(of_head + i / part.columns() * shape[-1] + i % part.columns())] += part.at(i);
          }
        }
      }
    }
    EXPECT_EQ(sums.size(), config.projection_sharing == "layers"      ? 1U
                           : config.projection_sharing == "key_value" ? 2U
                           : config.value_kernel > 0                  ? 2U
                                                                      : 4U);
    for (const auto& [name, sum] : sums) {
      const Tensor expected = gradients[name];
      for (size_t i = 0; i < sum.size(); ++i) {
        EXPECT_NEAR(sum[i], expected.at(static_cast<int64_t>(i)), 2e-5 * largest_of(expected)) << name << " " << i;
      }
    }
  }
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
  const std::string module = "encoder.layers.0.self_attention";
  ModelConfig mixed = tiny("transformer");
  mixed.encoder_mixer = "linear";
  EXPECT_NE(error(mixed, {.module = module}).find("linear is explained one head at a time, expected 0 to 1"),
            std::string::npos);
  mixed.encoder_mixer = "sparse";
  EXPECT_NE(error(mixed, {.module = module, .head = 1}).find("all are explained together"), std::string::npos);
}

TEST(ModelModule, other_weights_than_the_models_are_refused) {
  const LoadedModel loaded = made(tiny("transformer"));
  ExplainOptions options;
  Given given = read_module(loaded, source, {}, options);
  given.module->weights.data<double>()[3] += 0.01;
  const std::string message = attune::testing::error_of([&] { explain_mechanism(options, given); });
  EXPECT_NE(message.find("parts that this explanation does not know of"), std::string::npos) << message;
}

}  // namespace
}  // namespace attune::explain
