#include "attune/data/generated_task.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <unordered_set>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/base/rng.h"
#include "attune/data/grammar.h"

namespace attune {

namespace {

GeneratedCorpus make_grammar(const GeneratedTaskOptions& options) {
  return make_grammar_corpus(
      {.train = options.train, .valid = options.valid, .test = options.test, .seed = options.seed});
}

// a ... z, aa, ab, ...
std::string symbol(int number) {
  std::string word;
  for (int left = number; left >= 0; left = left / 26 - 1) {
    word.insert(word.begin(), static_cast<char>('a' + left % 26));
  }
  return word;
}

enum class Order : uint8_t { same, reversed };

GeneratedPair sequence_pair(const std::vector<int>& symbols, Order order) {
  GeneratedPair pair;
  const auto count = static_cast<int>(symbols.size());
  for (int i = 0; i < count; ++i) {
    const int read = order == Order::same ? i : count - 1 - i;
    pair.source.append(i == 0 ? "" : " ").append(symbol(symbols[static_cast<size_t>(i)]));
    pair.target.append(i == 0 ? "" : " ").append(symbol(symbols[static_cast<size_t>(read)]));
    pair.alignment.emplace_back(i, read);
  }
  return pair;
}

std::vector<int> draw_symbols(const Rng& rng, int longest, const GeneratedTaskOptions& options) {
  const auto lengths = static_cast<uint64_t>(longest - options.min_length + 1);
  std::vector<int> symbols(static_cast<size_t>(options.min_length) + rng.below(0, lengths));
  for (size_t i = 0; i < symbols.size(); ++i) {
    symbols[i] = static_cast<int>(rng.below(i + 1, static_cast<uint64_t>(options.symbols)));
  }
  return symbols;
}

// The test comes first: it does not depend on the sizes of the other parts.
template <Order order>
GeneratedCorpus make_sequences(const GeneratedTaskOptions& options) {
  const Rng rng = Rng(options.seed).stream("sequences");
  GeneratedCorpus corpus;
  std::unordered_set<std::string> seen;
  uint64_t index = 0;
  const auto fill = [&](std::vector<GeneratedPair>& part, int count, int longest) {
    while (part.size() < static_cast<size_t>(count)) {
      GeneratedPair pair = sequence_pair(draw_symbols(rng.stream(index++), longest, options), order);
      if (seen.insert(pair.source).second) {
        part.push_back(std::move(pair));
      }
    }
  };
  fill(corpus.test, options.test, options.test_max_length);
  fill(corpus.valid, options.valid, options.max_length);
  fill(corpus.train, options.train, options.max_length);
  return corpus;
}

// No source occurs twice, and drawing another one must not take forever.
void check_variety(const GeneratedTaskOptions& options) {
  double different = 0;
  for (int length = options.min_length; length <= options.max_length; ++length) {
    different += std::pow(options.symbols, length);
  }
  const double wanted = static_cast<double>(options.train) + options.valid + options.test;
  check_usage(2 * wanted <= different, "symbols: ", options.symbols, " symbols give ", different,
              " different sequences of ", options.min_length, " to ", options.max_length, ", too few for ", wanted,
              " pairs; take more symbols, longer sequences or fewer pairs");
}

}  // namespace

std::span<const GeneratedTask> generated_tasks() {
  static constexpr std::array table{
      GeneratedTask{"copy", "sequences of symbols, to be written again", "source", "target", true,
                    make_sequences<Order::same>},
      GeneratedTask{"reverse", "sequences of symbols, to be written backwards", "source", "target", true,
                    make_sequences<Order::reversed>},
      GeneratedTask{"grammar", "sentences of a small English grammar with their Vietnamese translations", "en", "vi",
                    false, make_grammar},
  };
  return table;
}

const GeneratedTask& generated_task(std::string_view word) {
  return entry_of_word("task", word, generated_tasks(), &GeneratedTask::word);
}

void check_options(const GeneratedTaskOptions& options, const GeneratedTask& task) {
  constexpr int most_pairs = 1'000'000, longest = 10'000;
  check_whole("train", options.train, {0, most_pairs});
  check_whole("valid", options.valid, {0, most_pairs});
  check_whole("test", options.test, {0, most_pairs});
  if (task.of_symbols) {
    check_whole("min-length", options.min_length, {1, longest});
    check_whole("max-length", options.max_length, {options.min_length, longest});
    check_whole("test-max-length", options.test_max_length, {options.max_length, longest});
    check_whole("symbols", options.symbols, {1, 1'000'000});
    check_variety(options);
  }
}

}  // namespace attune
