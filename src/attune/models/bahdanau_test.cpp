#include "attune/models/bahdanau.h"

#include <gtest/gtest.h>

#include <cmath>

#include "attune/base/error_of_test.h"
#include "attune/models/forms_test.h"

namespace attune {
namespace {

// The weights of every sequence while its target is read.
std::vector<Tensor> attention_of(const Model& model, const Batch& batch) {
  std::vector<Tensor> weights;
  const Probe probe([&](const std::string& name, const Tensor& value) {
    if (name.find(".weights.") != std::string::npos) {
      EXPECT_EQ(name, "decoder.layers.0.cross_attention.weights." + std::to_string(weights.size()));
      weights.push_back(value.clone());
    }
  });
  model.hidden(batch, {.probe = &probe});
  return weights;
}

TEST(Bahdanau, with_the_papers_initialisation_attends_uniformly_at_first) {
  ModelConfig config = testing::tiny("bahdanau");
  config.paper_initialisation = true;
  const auto model = testing::ready(config);
  const auto all = testing::examples();
  const Batch batch = make_batch(all, std::vector<int>{0, 1, 2, 3});
  const auto weights = attention_of(*model, batch);
  ASSERT_EQ(weights.size(), 4U);
  for (int s = 0; s < 4; ++s) {
    const Tensor& w = weights[static_cast<size_t>(s)];
    ASSERT_EQ(w.shape(), Shape({1, batch.targets.length(s), batch.sources.length(s)}));
    for (int64_t i = 0; i < w.elements(); ++i) EXPECT_EQ(w.at(i), 1.0F / static_cast<float>(batch.sources.length(s)));
  }
}

TEST(Bahdanau, the_papers_initialisation_has_its_deviations) {
  ModelConfig config = testing::tiny("bahdanau");
  config.width = 64, config.paper_initialisation = true;
  const auto model = testing::ready(config);
  for (const auto& entry : model->parameters().entries()) {
    double squares = 0;
    for (int64_t i = 0; i < entry.parameter->elements(); ++i)
      squares += entry.parameter->at(i) * entry.parameter->at(i);
    const double deviation = std::sqrt(squares / static_cast<double>(entry.parameter->elements()));
    const bool recurrent = entry.name.ends_with("recurrent.weight") || entry.name.ends_with("candidate.weight");
    const bool matrix = entry.parameter->rank() == 2;
    const bool aligns = entry.name.starts_with("decoder.attention.");
    // Orthogonal columns of [64 or 128, 64]: squares that sum to 64.
    const double expected = !matrix     ? 0
                            : recurrent ? std::sqrt(64.0 / static_cast<double>(entry.parameter->elements()))
                            : aligns    ? 0.001
                                        : 0.01;
    EXPECT_NEAR(deviation, expected, 0.1 * expected) << entry.name;
  }
}

TEST(Bahdanau, attention_sums_to_one_and_looks_by_itself_otherwise) {
  const auto model = testing::ready(testing::tiny("bahdanau"));
  const auto all = testing::examples();
  const Batch batch = make_batch(all, std::vector<int>{3, 1});
  const auto weights = attention_of(*model, batch);
  double largest = 0;
  for (int s = 0; s < 2; ++s) {
    const Tensor& w = weights[static_cast<size_t>(s)];
    for (int64_t i = 0; i < w.size(1); ++i) {
      double sum = 0;
      for (int64_t j = 0; j < w.size(2); ++j) {
        sum += w.at(i * w.size(2) + j);
        largest = std::max(largest, std::abs(w.at(i * w.size(2) + j) - 1 / static_cast<double>(w.size(2))));
      }
      EXPECT_NEAR(sum, 1, 1e-6);
    }
  }
  EXPECT_GT(largest, 1e-3);
}

TEST(Bahdanau, refuses_the_words_of_others) {
  ModelConfig config = testing::tiny("bahdanau");
  config.cross_mixer = "general";
  EXPECT_EQ(testing::error_of([&] { check_config(config); }), "cross-mixer: expected additive, got \"general\"");
}

}  // namespace
}  // namespace attune
