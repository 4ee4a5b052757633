#include "attune/inspect/attribution.h"

#include <gtest/gtest.h>

#include <cmath>

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

// With dS = P (dP - sum P dP) the gradient by the query's bias is scale sum_ij dS_ij k_j; the keys of a first post-norm
// layer without positions are those of the embeddings.
TEST(Attribution, gradients_by_weights_give_the_gradient_of_the_querys_bias_that_finite_differences_say) {
  ModelConfig config = tiny("transformer");
  config.norm_position = "post", config.positions = "none";
  const auto model = ready(config, DType::float64);
  const auto maps = attribute(*model, pair);
  std::vector<Tensor> weights;
  Tensor embedding;
  const Probe probe([&](const std::string& name, const Tensor& value) {
    if (name == "encoder.layers.0.self_attention.weights.0") weights.push_back(value.clone());
    if (name == "encoder.embedding.rows") embedding = value.clone();
  });
  model->hidden(make_batch(std::span(&pair, 1), std::array{0}), {.probe = &probe});
  const std::string self = "encoder.layers.0.self_attention.";
  const auto key_weight = values_of(*model, self + "key.weight"), key_bias = values_of(*model, self + "key.bias");
  const int width = config.width, depth = width / config.heads, length = 5;
  const auto key = [&](int j, int d) {
    double sum = key_bias[static_cast<size_t>(d)];
    for (int i = 0; i < width; ++i) sum += key_weight[static_cast<size_t>(d * width + i)] * embedding.at(j * width + i);
    return sum;
  };
  for (int head = 0; head < config.heads; ++head) {
    const AttentionMap* map = find(maps, AttentionKind::encoder_gradient, 0, head);
    ASSERT_NE(map, nullptr);
    for (int d = head * depth; d < (head + 1) * depth; ++d) {
      double expected = 0;
      for (int i = 0; i < length; ++i) {
        const auto p = [&](int j) { return weights[0].at((head * length + i) * length + j); };
        double mean = 0;
        for (int j = 0; j < length; ++j) mean += p(j) * static_cast<double>(map->weight(i, j));
        for (int j = 0; j < length; ++j) {
          expected += p(j) * (static_cast<double>(map->weight(i, j)) - mean) * key(j, d) / std::sqrt(depth);
        }
      }
      constexpr double h = 1e-5;
      const auto total = [&](double change) {
        values_of(*model, self + "query.bias")[static_cast<size_t>(d)] += change;
        const auto logs = log_probabilities(*model);
        values_of(*model, self + "query.bias")[static_cast<size_t>(d)] -= change;
        double sum = 0;
        for (const double log : logs) sum += log;
        return sum;
      };
      EXPECT_NEAR((total(h) - total(-h)) / (2 * h), expected, 1e-6);
      EXPECT_NE(expected, 0);
    }
  }
}

TEST(Attribution, has_a_gradient_beside_every_weight_of_multi_head_attention) {
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
  EXPECT_EQ(maps.size(), 3U * 4 + 2);
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
