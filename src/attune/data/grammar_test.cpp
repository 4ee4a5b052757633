#include "attune/data/grammar.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>
#include <unordered_map>

#include "attune/base/check.h"

namespace attune {
namespace {

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

bool contains(const std::string& text, const std::string& part) {
  return (" " + text + " ").find(" " + part + " ") != std::string::npos;
}

// Corpus BLEU-4 over whitespace words, one reference.
double bleu(const std::vector<std::string>& guesses, const std::vector<GrammarPair>& references) {
  std::vector<double> matched(5), counted(5);
  double guessed = 0, expected = 0;
  for (size_t s = 0; s < guesses.size(); ++s) {
    const auto guess = words_of(guesses[s]), reference = words_of(references[s].target);
    guessed += static_cast<double>(guess.size());
    expected += static_cast<double>(reference.size());
    for (size_t n = 1; n <= 4; ++n) {
      std::map<std::vector<std::string>, int> left;
      for (auto at = reference.begin(); at + static_cast<long>(n) <= reference.end(); ++at) {
        ++left[{at, at + static_cast<long>(n)}];
      }
      for (auto at = guess.begin(); at + static_cast<long>(n) <= guess.end(); ++at) {
        ++counted[n];
        if (left[{at, at + static_cast<long>(n)}]-- > 0) ++matched[n];
      }
    }
  }
  double log_sum = 0;
  for (size_t n = 1; n <= 4; ++n) log_sum += std::log(matched[n] / counted[n]) / 4;
  return 100 * std::exp(log_sum + std::min(0.0, 1 - expected / guessed));
}

TEST(Grammar, the_seed_decides_the_corpus) {
  const GrammarCorpus once = make_grammar_corpus({.train = 300, .valid = 50, .test = 50, .seed = 7});
  const GrammarCorpus again = make_grammar_corpus({.train = 300, .valid = 50, .test = 50, .seed = 7});
  const GrammarCorpus other = make_grammar_corpus({.train = 300, .valid = 50, .test = 50, .seed = 8});
  int different = 0;
  for (size_t i = 0; i < 300; ++i) {
    EXPECT_EQ(once.train[i].source, again.train[i].source);
    EXPECT_EQ(once.train[i].target, again.train[i].target);
    EXPECT_EQ(once.train[i].alignment, again.train[i].alignment);
    different += once.train[i].source != other.train[i].source;
  }
  EXPECT_GT(different, 290);
}

TEST(Grammar, the_parts_share_no_source_sentence_and_have_the_asked_sizes) {
  const GrammarCorpus corpus = make_grammar_corpus({.train = 5000, .valid = 300, .test = 400});
  EXPECT_EQ(corpus.train.size(), 5000u);
  EXPECT_EQ(corpus.valid.size(), 300u);
  EXPECT_EQ(corpus.test.size(), 400u);
  std::set<std::string> sources;
  for (const auto* part : {&corpus.train, &corpus.valid, &corpus.test}) {
    for (const GrammarPair& pair : *part) EXPECT_TRUE(sources.insert(pair.source).second) << pair.source;
  }
}

TEST(Grammar, the_test_part_does_not_depend_on_the_size_of_the_others) {
  const GrammarCorpus small = make_grammar_corpus({.train = 10, .valid = 5, .test = 100});
  const GrammarCorpus large = make_grammar_corpus({.train = 1000, .valid = 50, .test = 100});
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(small.test[i].source, large.test[i].source);
}

TEST(Grammar, the_same_source_always_has_the_same_target) {
  std::unordered_map<std::string, std::string> targets;
  size_t longest = 0;
  for (uint64_t i = 0; i < 100000; ++i) {
    const GrammarPair pair = make_grammar_pair(3, i);
    longest = std::max(longest, words_of(pair.source).size());
    const auto [found, added] = targets.emplace(pair.source, pair.target);
    ASSERT_EQ(found->second, pair.target) << pair.source;
  }
  EXPECT_GT(targets.size(), 95000u);
  EXPECT_GT(longest, 25u);
  EXPECT_LE(longest, 45u);
}

TEST(Grammar, every_link_is_in_range_and_only_function_words_have_none) {
  const std::set<std::string> function_words = {"the", "who",  "to", "is", "are", "am",
                                                "was", "were", "be", "do", "does"};
  for (uint64_t i = 0; i < 5000; ++i) {
    const GrammarPair pair = make_grammar_pair(1, i);
    const auto source = words_of(pair.source), target = words_of(pair.target);
    std::vector<bool> from(source.size()), to(target.size());
    for (const auto& [a, b] : pair.alignment) {
      ASSERT_TRUE(a >= 0 && a < static_cast<int>(source.size()) && b >= 0 && b < static_cast<int>(target.size()));
      from[static_cast<size_t>(a)] = to[static_cast<size_t>(b)] = true;
    }
    EXPECT_TRUE(std::ranges::is_sorted(pair.alignment));
    EXPECT_EQ(std::ranges::adjacent_find(pair.alignment), pair.alignment.end());
    for (size_t a = 0; a < source.size(); ++a) {
      EXPECT_TRUE(from[a] || function_words.contains(source[a])) << source[a] << ": " << pair.source;
    }
    for (size_t b = 0; b < target.size(); ++b) EXPECT_TRUE(to[b] || target[b] == ",") << pair.target;
  }
}

// Every sentence that has the English phrase must have its Vietnamese, whatever surrounds it; and it must occur.
struct Expected {
  std::string english, vietnamese;
};
class GrammarPhrase : public testing::TestWithParam<Expected> {};

TEST_P(GrammarPhrase, is_translated_so_wherever_it_stands) {
  int found = 0;
  for (uint64_t i = 0; i < 40000; ++i) {
    const GrammarPair pair = make_grammar_pair(2, i);
    if (!contains(pair.source, GetParam().english)) continue;
    ++found;
    EXPECT_TRUE(contains(pair.target, GetParam().vietnamese)) << pair.source << " -> " << pair.target;
  }
  EXPECT_GT(found, 0) << GetParam().english;
}

INSTANTIATE_TEST_SUITE_P(
    ClassifiersSensesAndOrder, GrammarPhrase,
    testing::Values(Expected{"two books", "hai quyển sách"}, Expected{"three knives", "ba con dao"},
                    Expected{"a hat", "một chiếc mũ"}, Expected{"the river", "con sông"},
                    Expected{"these thieves", "những tên trộm này"}, Expected{"this black horse", "con ngựa ô này"},
                    Expected{"a black cat", "một con mèo mun"}, Expected{"old temple", "ngôi chùa cổ"},
                    Expected{"old woman", "phụ nữ già"}, Expected{"old shoes", "giày cũ"},
                    Expected{"a new red shirt", "một chiếc áo đỏ mới"},
                    Expected{"is wearing a hat", "đội một chiếc mũ"}, Expected{"wears the shoes", "đi đôi giày"},
                    Expected{"wears a dress", "mặc một chiếc váy"}, Expected{"will play the flute", "sẽ thổi sáo"},
                    Expected{"is playing football", "đang đá bóng"}, Expected{"every morning", "mỗi sáng"},
                    Expected{"last week", "tuần trước"}));

TEST(Grammar, whole_sentences_read_as_expected) {
  const std::map<std::string, std::string> expected = {
      {"a black cat is stronger than this dog .", "một con mèo mun khỏe hơn con chó này ."},
      {"does a short prince feed the elephant ?", "một chàng hoàng tử thấp có cho con voi ăn không ?"},
      {"a man was called by three old kings .", "một người đàn ông đã được ba vị vua già gọi ."},
      {"the old soldiers are lending four hats to my younger sister on a bridge .",
       "những anh lính già đang cho em gái tôi mượn bốn chiếc mũ trên một cây cầu ."},
      {"the tall princess hid her small white pen .", "nàng công chúa cao đã giấu cây bút trắng nhỏ của nàng ."},
      {"my younger brother will love my uncle because my mother hides the beautiful hat .",
       "vì mẹ tôi giấu chiếc mũ đẹp nên em trai tôi sẽ yêu chú tôi ."},
  };
  size_t found = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    const GrammarPair pair = make_grammar_pair(1, i);
    if (const auto wanted = expected.find(pair.source); wanted != expected.end()) {
      ++found;
      EXPECT_EQ(pair.target, wanted->second);
    }
  }
  EXPECT_EQ(found, expected.size());
}

TEST(Grammar, a_pronoun_is_chosen_by_a_subject_many_words_earlier) {
  // English has one "he" for all of them.
  const std::map<std::string, std::string> referents = {
      {"king", "ngài"}, {"thief", "hắn"}, {"man", "ông ấy"}, {"boy", "cậu ấy"}, {"soldier", "anh ấy"}};
  std::set<std::string> met;
  for (uint64_t i = 0; i < 60000; ++i) {
    const GrammarPair pair = make_grammar_pair(4, i);
    const auto source = words_of(pair.source);
    const auto because = std::ranges::find(source, "because");
    if (source.size() < 2 || (source[0] != "the" && source[0] != "a")) continue;
    const auto subject = referents.find(source[1]);
    if (subject == referents.end() || because == source.end() || *(because + 1) != "he") continue;
    if (source[2] == "and") continue;
    met.insert(subject->first);
    EXPECT_TRUE(contains(pair.target, "vì " + subject->second)) << pair.source << " -> " << pair.target;
  }
  EXPECT_EQ(met.size(), referents.size());
}

TEST(Grammar, a_word_by_word_dictionary_fails) {
  const GrammarCorpus corpus = make_grammar_corpus({.train = 5000, .valid = 0, .test = 500});
  const auto dictionary = grammar_dictionary(corpus.train);
  EXPECT_EQ(dictionary.at("man"), "người đàn ông");
  EXPECT_EQ(dictionary.at("the"), "");
  std::vector<std::string> guesses;
  for (const GrammarPair& pair : corpus.test) guesses.push_back(translate_word_by_word(pair.source, dictionary));
  const double score = bleu(guesses, corpus.test);
  EXPECT_GT(score, 10);
  EXPECT_LT(score, 50);
  std::vector<std::string> perfect;
  for (const GrammarPair& pair : corpus.test) perfect.push_back(pair.target);
  EXPECT_DOUBLE_EQ(bleu(perfect, corpus.test), 100);
}

TEST(Grammar, a_negative_count_is_refused) {
  EXPECT_THROW(make_grammar_corpus({.train = -1, .valid = 5, .test = 5}), Error);
}

}  // namespace
}  // namespace attune
