#include "attune/data/generated_task.h"

#include <gtest/gtest.h>

#include <algorithm>
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

TEST(GeneratedTask, never_repeats_a_source_and_follows_the_seed_alone) {
  for (const GeneratedTask& task : generated_tasks()) {
    SCOPED_TRACE(task.word);
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
}

}  // namespace
}  // namespace attune
