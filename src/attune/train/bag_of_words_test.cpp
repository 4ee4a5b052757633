#include "attune/train/bag_of_words.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "attune/base/error_of_test.h"
#include "attune/base/rng.h"

namespace attune {
namespace {

using testing::error_of;
using Strings = std::vector<std::string>;

double probability(const BagOfWords& model, const std::string& text, size_t label) {
  return std::exp(model.log_probabilities(text)[label]);
}

// Two texts of one word each: at the minimum l2 w = 1 - p for the weight w of the right class (and -w of the other),
// with p = 1 / (1 + exp(-2 w)).
TEST(BagOfWords, two_words_have_the_weights_that_solve_their_equation) {
  for (const double l2 : {0.1, 1.0}) {
    const BagOfWords model(Strings{"good", "bad"}, std::vector{1, 0}, 2, {.l2 = l2});
    double low = 0, high = 1 / l2;
    for (int i = 0; i < 100; ++i) {
      const double w = (low + high) / 2;
      (l2 * w < 1 - 1 / (1 + std::exp(-2 * w)) ? low : high) = w;
    }
    EXPECT_NEAR(probability(model, "good", 1), 1 / (1 + std::exp(-2 * low)), 1e-6);
    EXPECT_NEAR(probability(model, "bad", 0), 1 / (1 + std::exp(-2 * low)), 1e-6);
    EXPECT_NEAR(probability(model, "unseen words", 0), 0.5, 1e-6);
    EXPECT_NEAR(probability(model, "good bad", 0), 0.5, 1e-6);
    EXPECT_EQ(model.words(), 2);
  }
}

// Where the biases are free, the mean probability of each class is its share of the training texts.
TEST(BagOfWords, probabilities_of_the_training_texts_sum_to_the_counts_of_their_labels) {
  Strings texts;
  std::vector<int> labels, counts(3);
  const Rng rng(7);
  for (uint64_t i = 0; i < 200; ++i) {
    const int label = static_cast<int>(rng.stream("label").below(i, 10)) / 4;
    std::string text;
    for (uint64_t j = 0; j < 6; ++j) {
      const uint64_t word = rng.stream(i).below(j, 20);
      text += " w" + std::to_string(j == 0 ? 20 + static_cast<uint64_t>(label) : word);
    }
    texts.push_back(text);
    labels.push_back(label);
    ++counts[static_cast<size_t>(label)];
  }
  const BagOfWords model(texts, labels, 3);
  std::vector<double> sums(3);
  int correct = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::vector<double> p = model.log_probabilities(texts[i]);
    for (size_t c = 0; c < 3; ++c) sums[c] += std::exp(p[c]);
    correct += std::max_element(p.begin(), p.end()) - p.begin() == labels[i] ? 1 : 0;
  }
  for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(sums[c], counts[c], 1e-3) << c;
  EXPECT_EQ(correct, 200);  // each text has a word that tells
}

TEST(BagOfWords, lower_case_makes_one_word_of_two) {
  const Strings texts{"Good", "bad"};
  const std::vector<int> labels{1, 0};
  EXPECT_GT(probability(BagOfWords(texts, labels, 2, {.lowercase = true}), "gOOD", 1), 0.6);
  EXPECT_NEAR(probability(BagOfWords(texts, labels, 2), "gOOD", 1), 0.5, 1e-6);
}

TEST(BagOfWords, refuses_labels_that_do_not_fit) {
  EXPECT_EQ(error_of([] {
              BagOfWords(Strings{"a"}, std::vector{0, 1}, 2);
            }),
            "bag of words: 1 texts and 2 labels; expected as many of both, at least 1");
  EXPECT_EQ(error_of([] { BagOfWords(Strings{"a"}, std::vector{2}, 2); }), "bag of words: label 2 of 2 classes");
}

}  // namespace
}  // namespace attune
