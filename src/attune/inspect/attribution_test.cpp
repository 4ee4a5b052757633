#include "attune/inspect/attribution.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include "attune/autograd/recorder.h"
#include "attune/decode/scorer.h"
#include "attune/models/forms_test.h"
#include "attune/ops/linear.h"
#include "attune/ops/softmax.h"

namespace attune {
namespace {

using testing::ready;
using testing::tiny;

const Example pair{{5, 6, 7, 8}, {9, 3, 4}};  // no source piece twice

// log p of each written piece, in float64.
std::vector<double> log_probabilities(const Model& model) {
  const Batch batch = make_batch(std::span(&pair, 1), std::array{0});
  const OutputLayer output = model.output();
  const Tensor logs = log_softmax(linear(model.hidden(batch, {}), output.weight, output.bias));
  std::vector<double> result;
  for (size_t t = 0; t < batch.target_output.size(); ++t) {
    result.push_back(logs.at(static_cast<int64_t>(t) * logs.size(1) + batch.target_output[t]));
  }
  return result;
}

std::span<double> values_of(Model& model, const std::string& name) {
  for (const auto& entry : model.parameters().entries()) {
    if (entry.name == name) return entry.parameter->data<double>();
  }
  throw std::runtime_error(name);
}

const AttentionMap* find(const std::vector<AttentionMap>& maps, AttentionKind kind, int layer, int head = -1) {
  for (const AttentionMap& map : maps) {
    if (map.kind == kind && map.layer == layer && map.head == head) return &map;
  }
  return nullptr;
}

TEST(Attribution, gradient_times_input_is_what_finite_differences_say_in_every_architecture) {
  int seen = 0;
  for (const testing::Form& form : testing::forms()) {
    if (form.config.architecture == "convolutional" || form.config.tied_embeddings == "all") {
      continue;  // scales its gradient; a source row is an output row as well
    }
    SCOPED_TRACE(form.name);
    const auto model = ready(form.config, DType::float64);
    const auto maps = attribute(*model, pair);
    const AttentionMap* map = find(maps, AttentionKind::input_gradient, -1);
    ASSERT_NE(map, nullptr);
    ASSERT_EQ(map->keys, 5);
    const auto table = values_of(*model, "source_embedding.weight");
    const auto width = static_cast<size_t>(form.config.width);
    for (size_t j = 0; j < pair.source.size(); ++j) {
      const auto row = table.subspan(static_cast<size_t>(pair.source[j]) * width, width);
      const std::vector<double> kept(row.begin(), row.end());
      constexpr double h = 1e-5;
      const auto scaled = [&](double factor) {
        const auto changed =
            values_of(*model, "source_embedding.weight").subspan(static_cast<size_t>(pair.source[j]) * width, width);
        for (size_t d = 0; d < width; ++d) changed[d] = kept[d] * factor;
        return log_probabilities(*model);
      };
      const auto above = scaled(1 + h), below = scaled(1 - h);
      scaled(1);
      for (size_t t = 0; t < above.size(); ++t) {
        const double expected = (above[t] - below[t]) / (2 * h);
        EXPECT_NEAR(map->weight(static_cast<int>(t), static_cast<int>(j)), expected, 1e-6 * (1 + std::abs(expected)));
      }
    }
    ++seen;
  }
  EXPECT_GT(seen, 40);
}

// One attention of a model, in the order in which they are computed.
struct Attention {
  AttentionKind gradient;
  int layer, heads, queries;
};

std::vector<Attention> attentions_of(const std::vector<AttentionMap>& maps, const ModelConfig& config) {
  std::vector<Attention> result;
  const auto add = [&](AttentionKind kind, int layer) {
    int heads = 0;
    const AttentionMap* map = nullptr;
    while (const AttentionMap* next = find(maps, kind, layer, heads)) {
      map = next;
      ++heads;
    }
    if (map != nullptr) result.push_back({kind, layer, heads, map->queries});
  };
  for (int i = 0; i < config.encoder_layers; ++i) add(AttentionKind::encoder_gradient, i);
  for (int i = 0; i < config.decoder_layers; ++i) {
    add(AttentionKind::decoder_gradient, i);
    add(AttentionKind::cross_gradient, i);
  }
  return result;
}

// A tiny attention offers a probe its weights alone: without its values there is no gradient by them.
bool hides_an_attention(const testing::Form& form) {
  const ModelConfig& config = form.config;
  const auto other = [&](const std::string& mixer) {
    return mixer == "lsh" || mixer == "linformer" || mixer == "performer" || mixer == "linear" || mixer == "nystrom" ||
           (mixer == "local" && config.global_tokens > 0) || (mixer == "sparse" && config.sparse_pattern == "fixed");
  };
  return config.tiny_attention > 0 || other(config.encoder_mixer) || other(config.decoder_mixer);
}

struct Attributed {
  std::unique_ptr<Model> model;
  std::vector<AttentionMap> maps;
  std::vector<Attention> attentions;
};

Attributed attributed(const testing::Form& form) {
  Attributed of;
  of.model = ready(form.config, DType::float64);
  of.maps = attribute(*of.model, pair);
  of.attentions = attentions_of(of.maps, form.config);
  return of;
}

// What the float64 definitions of all attentions hand over goes through `see` with its place: the same weights that the
// program computes, changed on their way.
struct Cell {
  size_t attention;
  int head, query, key;
};
using See = std::function<void(std::string_view name, const Cell& cell, double& value)>;
std::vector<double> log_probabilities(const Model& model, const std::vector<Attention>& attentions, const See& see) {
  size_t attention = 0;
  int rows = 0;
  const Recorder recorder([&](const Recorder::Row& row) {
    if (row.name != "P" && row.name != "W") return;
    const bool weighed = row.name == "W";  // comes behind its P
    const Attention& of = attentions.at(attention);
    const int query = of.heads == 1 ? rows - (weighed ? 1 : 0) : static_cast<int>(row.row);
    for (size_t n = 0; n < row.values.size(); ++n) {
      const int key = row.columns.empty() ? static_cast<int>(n) : row.columns[n];
      see(row.name, {attention, row.head, query, key}, row.values[n]);
    }
    rows += weighed ? 0 : 1;
    if (rows == of.heads * of.queries && attention + 1 < attentions.size()) {
      ++attention;
      rows = 0;
    }
  });
  return log_probabilities(model);
}

double total_of(const std::vector<double>& logs) {
  return std::accumulate(logs.begin(), logs.end(), 0.0);
}

TEST(Attribution, gradients_by_weights_are_what_finite_differences_say_wherever_a_model_attends) {
  std::set<std::string> architectures;
  for (const testing::Form& form : testing::forms()) {
    if (hides_an_attention(form)) continue;
    SCOPED_TRACE(form.name);
    const Attributed of = attributed(form);
    std::map<std::tuple<size_t, int, int, int>, double> p, w;
    log_probabilities(*of.model, of.attentions, [&](std::string_view name, const Cell& cell, double& value) {
      (name == "P" ? p : w)[{cell.attention, cell.head, cell.query, cell.key}] = value;
    });
    int number = 0;
    for (const auto& [place, weight] : p) {
      if (++number % 5 != 0 || weight == 0) continue;
      const auto [attention, head, query, key] = place;
      constexpr double h = 1e-5;
      const auto total = [&, at = place](double change) {
        return total_of(
            log_probabilities(*of.model, of.attentions, [&](std::string_view name, const Cell& cell, double& x) {
              if (name == "P" && std::tuple(cell.attention, cell.head, cell.query, cell.key) == at) x += change;
            }));
      };
      const AttentionMap* map = find(of.maps, of.attentions[attention].gradient, of.attentions[attention].layer, head);
      ASSERT_NE(map, nullptr);
      const double falls_off = w.count(place) == 1 ? w[place] / weight : 1;  // the Gaussian, through which P acts
      const double expected = (total(h) - total(-h)) / (2 * h);
      EXPECT_NEAR(falls_off * static_cast<double>(map->weight(query, key)), expected, 2e-6 * (1 + std::abs(expected)))
          << "attention " << attention << " head " << head << " at " << query << ", " << key;
      EXPECT_FALSE(map->is_hidden(query, key));
      architectures.insert(form.config.architecture);
    }
  }
  EXPECT_EQ(architectures, (std::set<std::string>{"transformer", "bahdanau", "luong", "convolutional"}));
}

TEST(Attribution, attention_times_gradient_is_what_more_attention_to_a_piece_would_bring) {
  std::set<std::string> architectures;
  for (const testing::Form& form : testing::forms()) {
    if (hides_an_attention(form)) continue;
    SCOPED_TRACE(form.name);
    const Attributed of = attributed(form);
    const AttentionMap* map = find(of.maps, AttentionKind::attention_gradient, -1);
    const bool crosses = std::any_of(of.attentions.begin(), of.attentions.end(),
                                     [](const auto& a) { return a.gradient == AttentionKind::cross_gradient; });
    ASSERT_EQ(map != nullptr, crosses);
    if (!crosses) continue;
    ASSERT_EQ(std::pair(map->queries, map->keys), std::pair(4, 5));
    for (int j = 0; j < map->keys; ++j) {
      const auto with = [&](double factor) {
        return log_probabilities(*of.model, of.attentions, [&](std::string_view name, const Cell& cell, double& x) {
          const bool source = of.attentions[cell.attention].gradient == AttentionKind::cross_gradient;
          if (name == "P" && source && cell.key == j) x *= factor;
        });
      };
      constexpr double h = 1e-5;
      const auto above = with(1 + h), below = with(1 - h);
      for (int t = 0; t < map->queries; ++t) {
        const auto at = static_cast<size_t>(t);
        const double expected = (above[at] - below[at]) / (2 * h);
        EXPECT_NEAR(map->weight(t, j), expected, 1e-6 * (1 + std::abs(expected))) << t << ", " << j;
      }
    }
    architectures.insert(form.config.architecture);
  }
  EXPECT_EQ(architectures, (std::set<std::string>{"transformer", "bahdanau", "luong", "convolutional"}));
}

TEST(Attribution, has_a_gradient_beside_every_weight) {
  const auto maps = attribute(*ready(tiny("transformer")), pair);
  for (int layer = 0; layer < 2; ++layer) {
    for (int head = 0; head < 2; ++head) {
      const AttentionMap* encoder = find(maps, AttentionKind::encoder_gradient, layer, head);
      const AttentionMap* decoder = find(maps, AttentionKind::decoder_gradient, layer, head);
      const AttentionMap* cross = find(maps, AttentionKind::cross_gradient, layer, head);
      ASSERT_TRUE(encoder != nullptr && decoder != nullptr && cross != nullptr);
      EXPECT_EQ(std::pair(encoder->queries, encoder->keys), std::pair(5, 5));
      EXPECT_EQ(std::pair(decoder->queries, decoder->keys), std::pair(4, 4));
      EXPECT_EQ(std::pair(cross->queries, cross->keys), std::pair(4, 5));
      EXPECT_TRUE(decoder->is_hidden(0, 1) && !decoder->is_hidden(1, 0) && !cross->is_hidden(0, 1));
    }
  }
  EXPECT_EQ(maps.size(), 3U * 4 + 3);
}

TEST(Attribution, by_removal_is_the_difference_of_scores) {
  for (const testing::Form& form : testing::forms()) {
    SCOPED_TRACE(form.name);
    const auto model = ready(form.config);
    const auto maps = attribute(*model, pair);
    const AttentionMap* map = find(maps, AttentionKind::removal, -1);
    ASSERT_NE(map, nullptr);
    ASSERT_EQ(std::pair(map->queries, map->keys), std::pair(4, 4));
    const Example without{{5, 6, 8}, pair.target};
    const std::vector<Example> pairs{pair, without};
    const auto scores = score_pairs(*model, pairs);
    for (int t = 0; t < 4; ++t) {
      const auto at = static_cast<size_t>(t);
      EXPECT_EQ(map->weight(t, 2), scores[0].log_probabilities[at] - scores[1].log_probabilities[at]);
    }
    EXPECT_EQ(find(maps, AttentionKind::input_gradient, -1) == nullptr, form.config.architecture == "convolutional");
  }
}

}  // namespace
}  // namespace attune
