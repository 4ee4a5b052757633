#include "attune/data/generated_task.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "attune/base/check.h"
#include "attune/text/unicode.h"

namespace attune {
namespace {

constexpr GeneratedTaskOptions small{.train = 2000, .valid = 50, .test = 2000, .seed = 3};

// The smallest and largest number of words of a source.
std::pair<size_t, size_t> lengths_of(const std::vector<GeneratedPair>& pairs) {
  size_t least = SIZE_MAX, most = 0;
  for (const GeneratedPair& pair : pairs) {
    const size_t length = split_whitespace(pair.source).size();
    least = std::min(least, length);
    most = std::max(most, length);
  }
  return {least, most};
}

TEST(GeneratedTask, copies_and_reverses_words) {
  for (const GeneratedPair& pair : generated_task("copy").make(small).train) {
    EXPECT_EQ(pair.target, pair.source);
  }
  for (const GeneratedPair& pair : generated_task("reverse").make(small).train) {
    auto words = split_whitespace(pair.source);
    std::ranges::reverse(words);
    EXPECT_TRUE(std::ranges::equal(words, split_whitespace(pair.target))) << pair.source << " / " << pair.target;
  }
}

TEST(GeneratedTask, links_of_every_task_join_the_words_they_should) {
  for (const char* task : {"copy", "reverse"}) {
    for (const GeneratedPair& pair : generated_task(task).make(small).test) {
      const auto source = split_whitespace(pair.source), target = split_whitespace(pair.target);
      ASSERT_EQ(pair.alignment.size(), source.size());
      EXPECT_TRUE(std::ranges::is_sorted(pair.alignment));
      std::set<int> targets;
      for (const auto& [i, j] : pair.alignment) {
        EXPECT_EQ(source[static_cast<size_t>(i)], target[static_cast<size_t>(j)]);
        targets.insert(j);
      }
      EXPECT_EQ(targets.size(), target.size());
    }
  }
}

TEST(GeneratedTask, tests_longer_sequences_than_it_trains_on_and_every_length) {
  const GeneratedCorpus corpus = generated_task("copy").make(small);
  EXPECT_EQ(lengths_of(corpus.train), std::pair(size_t{4}, size_t{32}));
  EXPECT_LE(lengths_of(corpus.valid).second, 32U);
  EXPECT_EQ(lengths_of(corpus.test), std::pair(size_t{4}, size_t{64}));
  std::vector<int> of_length(65);
  for (const GeneratedPair& pair : corpus.test) {
    ++of_length[split_whitespace(pair.source).size()];
  }
  for (size_t length = 4; length <= 64; ++length) {  // 32.8 expected; five standard deviations are 28
    EXPECT_GT(of_length[length], 4) << length;
    EXPECT_LT(of_length[length], 62) << length;
  }
}

TEST(GeneratedTask, duplicates_random_symbols_behind_a_zero) {
  GeneratedTaskOptions options = generated_task("duplication").defaults;
  EXPECT_EQ(options.symbols, 127);
  options.train = 200, options.valid = options.test = 5, options.length = 64;
  std::map<std::string_view, int> counts;
  const GeneratedCorpus corpus = generated_task("duplication").make(options);
  for (const GeneratedPair& pair : corpus.train) {
    EXPECT_EQ(pair.source, "0 " + pair.target + " 0");
    const auto symbols = split_whitespace(pair.target);
    EXPECT_EQ(symbols.size(), 31U);
    for (const std::string_view symbol : symbols) {
      ++counts[symbol];
    }
  }
  EXPECT_EQ(counts.size(), 127U);
  for (int symbol = 1; symbol <= 127; ++symbol) {  // 48.8 expected; five standard deviations are 35
    const int count = counts[std::to_string(symbol)];
    EXPECT_TRUE(count > 13 && count < 84) << symbol << ": " << count;
  }
}

// Of tokens from `at` on, in another way than they are made: a list is a bag of counts.
int evaluated(const std::vector<std::string_view>& tokens, size_t& at) {
  const std::string_view token = tokens.at(at++);
  if (token[0] != '[') {
    EXPECT_EQ(token.size(), 1U) << token;
    return token[0] - '0';
  }
  std::vector<int> counts(10);
  int count = 0, sum = 0;
  for (; tokens.at(at) != "]"; ++count) {
    const int digit = evaluated(tokens, at);
    ++counts.at(static_cast<size_t>(digit));
    sum += digit;
  }
  ++at;
  EXPECT_TRUE(count >= 2 && count <= 10) << count;
  const auto of_rank = [&](int rank) {
    int digit = 0;
    for (int below = counts[0]; below <= rank; below += counts.at(static_cast<size_t>(++digit))) {
    }
    return digit;
  };
  if (token == "[MED") {
    return count % 2 == 1 ? of_rank(count / 2) : (of_rank(count / 2 - 1) + of_rank(count / 2)) / 2;
  }
  EXPECT_TRUE(token == "[MIN" || token == "[MAX" || token == "[SM") << token;
  return token == "[MIN" ? of_rank(0) : token == "[MAX" ? of_rank(count - 1) : sum % 10;
}

int evaluated(const std::string& expression) {
  const auto tokens = split_whitespace(expression);
  size_t at = 0;
  const int value = evaluated(tokens, at);
  EXPECT_EQ(at, tokens.size()) << expression;
  return value;
}

TEST(GeneratedTask, list_operations_come_to_the_digit_they_are_labelled_with) {
  EXPECT_EQ(evaluated("[MAX 4 3 [MIN 2 3 ] 1 0 [MED 1 5 8 9 2 ] ]"), 5);  // of the paper, by hand
  EXPECT_EQ(evaluated("[SM 9 9 [MED 1 4 ] ]"), 0);
  EXPECT_EQ(evaluated("[MED 7 1 9 4 ]"), 5);
  EXPECT_EQ(evaluated("[MED 3 3 3 8 ]"), 3);
  GeneratedTaskOptions options = generated_task("listops").defaults;
  options.train = 1500, options.valid = 10, options.test = 20;
  const GeneratedCorpus corpus = generated_task("listops").make(options);
  std::map<std::string, int> labels, tokens;
  int deepest = 0;
  for (const GeneratedPair& pair : corpus.train) {
    EXPECT_EQ(std::to_string(evaluated(pair.source)), pair.target) << pair.source;
    ++labels[pair.target];
    int depth = 1;  // of what comes next
    for (const std::string_view token : split_whitespace(pair.source)) {
      depth -= token == "]" ? 1 : 0;
      deepest = std::max(deepest, depth);
      depth += token[0] == '[' ? 1 : 0;
      ++tokens[std::string(token)];
    }
    EXPECT_EQ(depth, 1);
  }
  EXPECT_EQ(labels.size(), 10U);
  EXPECT_EQ(deepest, 10);
  EXPECT_EQ(tokens.size(), 15U);
  const auto [least, most] = lengths_of(corpus.train);
  EXPECT_TRUE(least >= 100 && least < 105 && most <= 400 && most > 380) << least << ' ' << most;
}

TEST(GeneratedTask, never_repeats_a_source_and_follows_the_seed_alone) {
  for (const GeneratedTask& task : generated_tasks()) {
    SCOPED_TRACE(task.word);
    EXPECT_NO_THROW(check_options(small, task));
    const GeneratedCorpus corpus = task.make(small), again = task.make(small);
    std::set<std::string> sources;
    for (const auto* part : {&corpus.train, &corpus.valid, &corpus.test}) {
      for (const GeneratedPair& pair : *part) {
        EXPECT_TRUE(sources.insert(pair.source).second) << pair.source;
      }
    }
    EXPECT_EQ(sources.size(), 4050U);
    EXPECT_TRUE(corpus.train == again.train && corpus.test == again.test);
    GeneratedTaskOptions other = small;
    other.train = 10;
    EXPECT_TRUE(task.make(other).test == corpus.test) << "the test does not depend on the training data's size";
    other.seed = 4;
    EXPECT_FALSE(task.make(other).test == corpus.test);
  }
}

TEST(GeneratedTask, names_symbols_like_columns_of_a_sheet) {
  GeneratedTaskOptions options{.train = 3000, .valid = 0, .test = 0};
  options.symbols = 26 + 26 * 26 + 1;
  std::set<std::string> words;
  for (const GeneratedPair& pair : generated_task("copy").make(options).train) {
    for (const std::string_view word : split_whitespace(pair.source)) {
      words.emplace(word);
    }
  }
  EXPECT_EQ(words.size(), 703U);
  for (const char* word : {"a", "z", "aa", "az", "ba", "zz", "aaa"}) {
    EXPECT_EQ(words.count(word), 1U) << word;
  }
}

TEST(GeneratedTask, refuses_what_cannot_be_made) {
  EXPECT_THROW(generated_task("sort"), UsageError);
  const GeneratedTask& copy = generated_task("copy");
  const auto refused = [&](GeneratedTaskOptions options) { EXPECT_THROW(check_options(options, copy), UsageError); };
  refused({.train = -1});
  refused({.min_length = 0});
  refused({.min_length = 9, .max_length = 8});
  refused({.max_length = 32, .test_max_length = 31});
  refused({.symbols = 0});
  refused({.train = 10000, .min_length = 4, .max_length = 4, .symbols = 10});  // all there are
  refused({.train = 10, .symbols = 1});
  EXPECT_NO_THROW(check_options({.train = 3000, .min_length = 4, .max_length = 4, .symbols = 10}, copy));
  EXPECT_NO_THROW(check_options({.train = 10, .symbols = 0}, generated_task("grammar")));
  for (const int length : {2, 63}) {
    EXPECT_THROW(check_options({.length = length}, generated_task("duplication")), UsageError);
  }
  EXPECT_THROW(check_options({.symbols = 127, .length = 4}, generated_task("duplication")), UsageError);
  EXPECT_THROW(generated_task("listops").make({.train = 11, .valid = 0, .test = 0, .min_length = 1, .max_length = 3}),
               UsageError)
      << "there are ten";
}

}  // namespace
}  // namespace attune
