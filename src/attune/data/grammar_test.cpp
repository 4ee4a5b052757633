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
double bleu(const std::vector<std::string>& guesses, const std::vector<GeneratedPair>& references) {
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
  const GeneratedCorpus once = make_grammar_corpus({.train = 300, .valid = 50, .test = 50, .seed = 7});
  const GeneratedCorpus again = make_grammar_corpus({.train = 300, .valid = 50, .test = 50, .seed = 7});
  const GeneratedCorpus other = make_grammar_corpus({.train = 300, .valid = 50, .test = 50, .seed = 8});
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
  const GeneratedCorpus corpus = make_grammar_corpus({.train = 5000, .valid = 300, .test = 400});
  EXPECT_EQ(corpus.train.size(), 5000u);
  EXPECT_EQ(corpus.valid.size(), 300u);
  EXPECT_EQ(corpus.test.size(), 400u);
  std::set<std::string> sources;
  for (const auto* part : {&corpus.train, &corpus.valid, &corpus.test}) {
    for (const GeneratedPair& pair : *part) EXPECT_TRUE(sources.insert(pair.source).second) << pair.source;
  }
}

TEST(Grammar, the_test_part_does_not_depend_on_the_size_of_the_others) {
  const GeneratedCorpus small = make_grammar_corpus({.train = 10, .valid = 5, .test = 100});
  const GeneratedCorpus large = make_grammar_corpus({.train = 1000, .valid = 50, .test = 100});
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(small.test[i].source, large.test[i].source);
}

TEST(Grammar, the_same_source_always_has_the_same_target) {
  std::unordered_map<std::string, std::string> targets;
  size_t longest = 0;
  for (uint64_t i = 0; i < 100000; ++i) {
    const GeneratedPair pair = make_grammar_pair(3, i);
    longest = std::max(longest, words_of(pair.source).size());
    const auto [found, added] = targets.emplace(pair.source, pair.target);
    ASSERT_EQ(found->second, pair.target) << pair.source;
  }
  EXPECT_GT(targets.size(), 95000u);
  EXPECT_GT(longest, 25u);
  EXPECT_LE(longest, 50u);
}

TEST(Grammar, every_link_is_in_range_and_only_function_words_have_none) {
  const std::set<std::string> function_words = {"the", "who",  "to", "is", "are", "am",
                                                "was", "were", "be", "do", "does"};
  for (uint64_t i = 0; i < 5000; ++i) {
    const GeneratedPair pair = make_grammar_pair(1, i);
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

TEST(Grammar, classifiers_senses_and_order_hold_wherever_the_phrase_stands) {
  const std::map<std::string, std::string> expected = {{"two books", "hai quyển sách"},
                                                       {"three knives", "ba con dao"},
                                                       {"a hat", "một chiếc mũ"},
                                                       {"the river", "con sông"},
                                                       {"these thieves", "những tên trộm này"},
                                                       {"this black horse", "con ngựa ô này"},
                                                       {"a black cat", "một con mèo mun"},
                                                       {"old temple", "ngôi chùa cổ"},
                                                       {"old woman", "phụ nữ già"},
                                                       {"old shoes", "giày cũ"},
                                                       {"new red", "đỏ mới"},
                                                       {"wear the hat", "đội chiếc mũ"},
                                                       {"wear the shoes", "đi đôi giày"},
                                                       {"wore a dress", "mặc một chiếc váy"},
                                                       {"wears a tie", "thắt một chiếc cà vạt"},
                                                       {"wears my glasses", "đeo cặp kính của tôi"},
                                                       {"wears the scarf", "quàng chiếc khăn"},
                                                       {"playing the flute", "thổi sáo"},
                                                       {"play the violin", "kéo vĩ cầm"},
                                                       {"playing football", "đá bóng"},
                                                       {"carry the basket", "xách cái giỏ"},
                                                       {"carries the baby", "bế em bé"},
                                                       {"carries the box", "bê cái hộp"},
                                                       {"will be thanked by", "sẽ được"},
                                                       {"was followed by", "đã bị"},
                                                       {"will not cry", "sẽ không khóc"},
                                                       {"every morning", "mỗi sáng"},
                                                       {"last week", "tuần trước"},
                                                       {"my older brother", "anh trai tôi"},
                                                       {"my younger brother", "em trai tôi"}};
  std::map<std::string, int> found;
  for (uint64_t i = 0; i < 50000; ++i) {
    const GeneratedPair pair = make_grammar_pair(2, i);
    for (const auto& [english, vietnamese] : expected) {
      if (!contains(pair.source, english)) continue;
      ++found[english];
      EXPECT_TRUE(contains(pair.target, vietnamese)) << pair.source << " -> " << pair.target;
    }
  }
  for (const auto& [english, vietnamese] : expected) EXPECT_GT(found[english], 0) << english;
}

TEST(Grammar, whole_sentences_read_as_expected) {
  const std::map<std::string, std::string> expected = {
      {"my cat is stronger than this white dog .", "con mèo của tôi khỏe hơn con chó trắng này ."},
      {"did the thin dog help a kind princess ?", "con chó gầy có giúp một nàng công chúa tốt bụng không ?"},
      {"what will the kind young king who loves my younger sister buy ?",
       "vị vua trẻ tốt bụng yêu em gái tôi sẽ mua gì ?"},
      {"the tall young farmer is followed by the kind strong king .",
       "bác nông dân trẻ cao bị vị vua khỏe tốt bụng đi theo ."},
      {"tomorrow four strong girls will wear the beautiful red tie that my father hides .",
       "ngày mai bốn cô gái khỏe sẽ thắt chiếc cà vạt đỏ đẹp mà bố tôi giấu ."},
      {"a thin teacher bought the red chairs when the thin man carried his baby .",
       "khi người đàn ông gầy bế em bé của ông ấy , một cô giáo gầy đã mua những cái ghế đỏ ."},
      {"a short thief did not ride the strong old elephant yesterday morning after the young soldier wore this old "
       "white "
       "watch .",
       "sáng hôm qua sau khi anh lính trẻ đeo chiếc đồng hồ trắng cũ này , một tên trộm thấp đã không cưỡi con voi già "
       "khỏe ."},
      {"my father is feeding a strong bird now but he is sad .",
       "bây giờ bố tôi đang cho một con chim khỏe ăn nhưng bố buồn ."}};
  size_t found = 0;
  for (uint64_t i = 0; i < 100; ++i) {
    const GeneratedPair pair = make_grammar_pair(9, i);
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
    const GeneratedPair pair = make_grammar_pair(4, i);
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
  const GeneratedCorpus corpus = make_grammar_corpus({.train = 5000, .valid = 0, .test = 500});
  const auto dictionary = grammar_dictionary(corpus.train);
  EXPECT_EQ(dictionary.at("man"), "người đàn ông");
  EXPECT_EQ(dictionary.at("the"), "");
  std::vector<std::string> guesses;
  for (const GeneratedPair& pair : corpus.test) guesses.push_back(translate_word_by_word(pair.source, dictionary));
  const double score = bleu(guesses, corpus.test);
  EXPECT_GT(score, 10);
  EXPECT_LT(score, 50);
  std::vector<std::string> perfect;
  for (const GeneratedPair& pair : corpus.test) perfect.push_back(pair.target);
  EXPECT_DOUBLE_EQ(bleu(perfect, corpus.test), 100);
}

TEST(Grammar, a_negative_count_is_refused) {
  EXPECT_THROW(make_grammar_corpus({.train = -1, .valid = 5, .test = 5}), Error);
}

}  // namespace
}  // namespace attune
