#include "attune/metrics/bleu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "attune/base/check.h"
#include "attune/base/error_of_test.h"
#include "attune/metrics/chrf.h"
#include "attune/metrics/ngram_trie.h"
#include "attune/text/unicode.h"

namespace attune {
namespace {

using testing::error_of;

using Lines = std::vector<std::string>;

std::string tokens(std::string_view line) {
  const std::string apart = tokenize(line, Tokenization::mteval_13a);
  std::string joined;
  for (const std::string_view word : split_whitespace(apart)) joined.append(joined.empty() ? "" : " ").append(word);
  return joined;
}

TEST(Tokenize13a, separates_what_mteval_separates) {
  EXPECT_EQ(tokens("Hello, world!"), "Hello , world !");
  EXPECT_EQ(tokens("1,000.5 and 5."), "1,000.5 and 5 .");
  EXPECT_EQ(tokens("well-known 3-year it's"), "well-known 3 - year it's");
  EXPECT_EQ(tokens("&quot;a&amp;lt;b&quot;"), "\" a < b \"");
  EXPECT_EQ(tokens("x<skipped>y over-\nflow a\nb"), "xy overflow a b");
  EXPECT_EQ(tokens(""), "");
}

TEST(Bleu, follows_the_definition_by_hand) {
  // unigrams 5/6, bigrams 3/5, trigrams 2/4, 4-grams 1/3; the lengths are equal
  const Bleu got = bleu(Lines{"a b c d x f"}, std::vector<Lines>{{"a b c d e f"}});
  EXPECT_EQ(got.matches, (std::array<int64_t, 4>{5, 3, 2, 1}));
  EXPECT_EQ(got.totals, (std::array<int64_t, 4>{6, 5, 4, 3}));
  EXPECT_NEAR(got.score, 100 * std::pow(5.0 / 6 * 3 / 5 * 2 / 4 * 1 / 3, 0.25), 1e-12);
}

TEST(Bleu, halves_once_more_for_each_order_without_a_match) {
  const Bleu got = bleu(Lines{"a b x d"}, std::vector<Lines>{{"a b c d"}});
  EXPECT_NEAR(got.precisions[2], 100.0 / (2 * 2), 1e-12);
  EXPECT_NEAR(got.precisions[3], 100.0 / (4 * 1), 1e-12);
}

TEST(Bleu, of_two_equally_near_references_takes_the_shorter) {
  EXPECT_EQ(bleu(Lines{"a b c"}, std::vector<Lines>{{"a b c d"}, {"a b"}}).reference_length, 2);
  EXPECT_EQ(bleu(Lines{"a b c"}, std::vector<Lines>{{"a b"}, {"a b c d"}}).reference_length, 2);
}

TEST(Bleu, clips_by_the_greatest_count_in_one_reference) {
  EXPECT_EQ(bleu(Lines{"a a a a"}, std::vector<Lines>{{"a a b"}, {"a c c"}}).matches[0], 2);
  EXPECT_EQ(bleu(Lines{"a a a a"}, std::vector<Lines>{{"a c c"}, {"a a b"}}).matches[0], 2);
}

TEST(Bleu, refuses_counts_that_differ_and_names_both) {
  const std::string message = error_of([] { bleu(Lines{"a", "b"}, std::vector<Lines>{{"a", "b"}, {"a", "b", "c"}}); });
  EXPECT_NE(message.find("2 hypotheses but 3 sentences in reference 2"), std::string::npos) << message;
  EXPECT_NE(error_of([] { chrf(Lines{"a"}, std::vector<Lines>{{}}); }).find("1 hypotheses but 0"), std::string::npos);
  EXPECT_THROW(bleu(Lines{}, std::vector<Lines>{Lines{}}), Error);
  EXPECT_THROW(bleu(Lines{"a"}, std::vector<Lines>{}), Error);
  EXPECT_THROW(tokenization_from_name("intl"), Error);
}

TEST(Chrf, is_100_for_equal_texts_and_0_without_a_common_character) {
  EXPECT_DOUBLE_EQ(chrf(Lines{"Tôi học"}, std::vector<Lines>{{"Tôi học"}}).score, 100);
  EXPECT_DOUBLE_EQ(chrf(Lines{"ab"}, std::vector<Lines>{{"xy"}}).score, 0);
  EXPECT_DOUBLE_EQ(chrf(Lines{"a b  c"}, std::vector<Lines>{{"abc"}}).score, 100) << "white space does not count";
}

TEST(NgramTrie, counts_as_all_pairs_of_positions_do) {
  NgramTrie<3> trie;
  uint32_t state = 1;
  for (size_t length = 0; length < 60; ++length) {
    std::vector<uint32_t> reference, hypothesis;
    const auto next = [&] { return (state = state * 1664525U + 1013904223U) >> 30; };
    for (size_t i = 0; i < length; ++i) reference.push_back(next());
    for (size_t i = 0; i < 59 - length; ++i) hypothesis.push_back(next());
    trie.start(reference.size());
    trie.add_reference(reference);
    const auto matches = trie.match(hypothesis);
    for (size_t order = 1; order <= 3; ++order) {
      std::vector<bool> used(reference.size(), false);  // each place of the reference serves one of the hypothesis
      int64_t expected = 0;
      for (size_t h = 0; h + order <= hypothesis.size(); ++h) {
        for (size_t r = 0; r + order <= reference.size(); ++r) {
          if (used[r] || !std::equal(&hypothesis[h], &hypothesis[h] + order, &reference[r])) continue;
          used[r] = true;
          ++expected;
          break;
        }
      }
      EXPECT_EQ(matches[order - 1], expected) << "reference length " << length << ", order " << order;
    }
  }
}

}  // namespace
}  // namespace attune
