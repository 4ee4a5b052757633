// The search with a real model: a small Transformer with random weights.
#include <gtest/gtest.h>

#include <algorithm>

#include "attune/base/parallel.h"
#include "attune/base/rng.h"
#include "attune/decode/alignment.h"
#include "attune/decode/scorer.h"
#include "attune/decode/search.h"

namespace attune {
namespace {

std::unique_ptr<Model> small_transformer() {
  ModelConfig config;
  config.encoder_layers = config.decoder_layers = 2;
  config.width = 32;
  config.heads = 4;
  config.feed_forward = 48;
  config.source_vocabulary = config.target_vocabulary = 301;
  auto model = make_model(config);
  model->parameters().allocate();
  for (size_t p = 0; p < model->parameters().entries().size(); ++p) {
    const auto& entry = model->parameters().entries()[p];
    const Rng rng = Rng(4).stream(entry.name);
    const bool norm_weight = entry.name.ends_with("norm.weight");
    const std::span<float> values = entry.parameter->data<float>();
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = (norm_weight ? 1.0F : 0.0F) + 0.3F * static_cast<float>(rng.normal(i));
    }
  }
  return model;
}

std::vector<std::vector<int>> some_sources(int count) {
  const Rng rng(8);
  std::vector<std::vector<int>> sources;
  for (int i = 0; i < count; ++i) {
    const Rng stream = rng.stream(static_cast<uint64_t>(i));
    std::vector<int> source(stream.below(1000, 25));
    for (size_t k = 0; k < source.size(); ++k) {
      source[k] = 3 + static_cast<int>(stream.below(k, 298));
    }
    sources.push_back(source);
  }
  return sources;
}

void expect_same_bits(const std::vector<Hypothesis>& a, const std::vector<Hypothesis>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].ids, b[i].ids);
    EXPECT_EQ(a[i].score, b[i].score);
  }
}

TEST(TransformerDecoding, gives_a_sentence_the_same_bits_in_any_batch_and_with_any_threads) {
  const auto model = small_transformer();
  const auto sources = some_sources(37);
  const int before = threads();
  for (const char* compute : {"float32", "bfloat16"}) {
    const SearchOptions options{.beam_size = 5, .n_best = 2, .max_decoding_length = 12, .compute_type = compute};
    set_threads(1);
    const auto together = search(*model, sources, options);
    set_threads(3);
    const auto threaded = search(*model, sources, options);
    set_threads(before);
    const auto backwards = search(*model, std::vector<std::vector<int>>(sources.rbegin(), sources.rend()), options);
    for (size_t i = 0; i < sources.size(); ++i) {
      expect_same_bits(together[i], threaded[i]);
      expect_same_bits(together[i], backwards[sources.size() - 1 - i]);
      expect_same_bits(together[i], search(*model, std::span(sources).subspan(i, 1), options).front());
    }
  }
}

TEST(TransformerDecoding, scores_its_outputs_as_the_scorer_does) {
  const auto model = small_transformer();
  const auto sources = some_sources(20);
  const auto found = search(*model, sources, {.beam_size = 4, .length_penalty = "none", .max_decoding_length = 15});
  std::vector<Example> pairs;
  for (size_t i = 0; i < sources.size(); ++i) {
    pairs.push_back({sources[i], found[i].front().ids});
  }
  const auto scores = score_pairs(*model, pairs, {.batch_tokens = 50});
  for (size_t i = 0; i < pairs.size(); ++i) {
    EXPECT_NEAR(scores[i].log_probability, found[i].front().score, 1e-4);
    EXPECT_EQ(score_pairs(*model, std::span(pairs).subspan(i, 1)).front().log_probabilities,
              scores[i].log_probabilities);
  }
}

// For each target piece the source piece that its predicting row looks at most, </s> left out: from the model's own
// weights, the mean of heads and of the layers from `first` to `last`.
Alignment most_looked_at(const Model& model, const Example& pair, int first, int last) {
  const auto sources = static_cast<int64_t>(pair.source.size()), targets = static_cast<int64_t>(pair.target.size());
  std::vector<double> sums(static_cast<size_t>(sources * targets));
  const Probe probe([&](const std::string& name, const Tensor& weights) {
    for (int layer = first; layer <= last; ++layer) {
      if (name != "decoder.layers." + std::to_string(layer) + ".cross_attention.weights.0") {
        continue;
      }
      for (int64_t i = 0; i < weights.elements(); ++i) {
        const int64_t key = i % weights.size(2), query = i / weights.size(2) % weights.size(1);
        if (key < sources && query < targets) {
          sums[static_cast<size_t>(query * sources + key)] += weights.at(i);
        }
      }
    }
  });
  model.hidden(make_batch(std::span(&pair, 1), std::vector<int>{0}), {.probe = &probe});
  Alignment links;
  for (int64_t t = 0; t < targets; ++t) {
    const auto row = sums.begin() + t * sources;
    links.push_back({static_cast<int>(std::max_element(row, row + sources) - row), static_cast<int>(t)});
  }
  return links;
}

TEST(TransformerDecoding, aligns_by_the_weights_that_the_model_offers) {
  const auto model = small_transformer();
  const int layers = model->config().decoder_layers;
  const std::vector<Example> pairs = {{{5, 6, 7, 9, 11}, {8, 9, 6, 4}}, {{4, 8, 3}, {10, 11, 12, 5}}};
  const std::vector<WordsOfPieces> words = {{{0, 1, 2, 3, 4}, {0, 1, 2, 3}}, {{0, 1, 2}, {0, 1, 2, 3}}};
  for (const int layer : {-2, -1, 0, 1}) {
    const int first = layer == -1 ? 0 : layer == -2 ? std::max(0, layers - 2) : layer;
    const int last = layer == -1 ? layers - 1 : first;
    const auto links = align_words(*model, pairs, words, {.layer = layer});
    for (size_t i = 0; i < pairs.size(); ++i) {
      EXPECT_EQ(links[i], most_looked_at(*model, pairs[i], first, last)) << "layer " << layer << ", pair " << i;
    }
  }
}

TEST(TransformerDecoding, offers_the_attention_that_aligns) {
  const auto model = small_transformer();
  const std::vector<Example> pairs = {{{5, 6, 7}, {8, 9}}, {{4}, {10, 11, 12}}};
  const std::vector<WordsOfPieces> words = {{{0, 1, 2}, {0, 1}}, {{0}, {0, 0, 1}}};
  for (const int layer : {-2, -1, 0, 1}) {
    const auto links = align_words(*model, pairs, words, {.layer = layer});
    EXPECT_EQ(links[0].size(), 2U);
    EXPECT_EQ(links[1], (Alignment{{0, 0}, {0, 1}}));
  }
}

}  // namespace
}  // namespace attune
