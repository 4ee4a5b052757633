#include "attune/data/generated_task.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <unordered_set>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/base/rng.h"
#include "attune/data/grammar.h"
#include "attune/data/list_operations.h"

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

// Pairs whose sources are all different, drawn one after another; `draw` may return nothing, or be asked in vain for
// something new: that must not take forever. The test comes first: it does not depend on the sizes of the other parts.
template <class Draw>
GeneratedCorpus different_pairs(const GeneratedTaskOptions& options, const Draw& draw) {
  constexpr int most_in_vain = 1'000'000;
  const Rng rng = Rng(options.seed).stream("sequences");
  GeneratedCorpus corpus;
  std::unordered_set<std::string> seen;
  uint64_t index = 0;
  const auto fill = [&](std::vector<GeneratedPair>& part, int count, int longest) {
    for (int in_vain = 0; part.size() < static_cast<size_t>(count); ++in_vain) {
      check_usage(in_vain < most_in_vain, "length: ", most_in_vain,
                  " draws in a row gave no new sequence; ask for fewer pairs or allow for more lengths");
      std::optional<GeneratedPair> pair = draw(rng.stream(index++), longest);
      if (pair && seen.insert(pair->source).second) {
        part.push_back(std::move(*pair));
        in_vain = 0;
      }
    }
  };
  fill(corpus.test, options.test, options.test_max_length);
  fill(corpus.valid, options.valid, options.max_length);
  fill(corpus.train, options.train, options.max_length);
  return corpus;
}

// No source occurs twice, and drawing another one must not take forever. Of so many symbols.
void check_variety(const GeneratedTaskOptions& options, int shortest, int longest) {
  double different = 0;
  for (int length = shortest; length <= longest; ++length) {
    different += std::pow(options.symbols, length);
  }
  const double wanted = static_cast<double>(options.train) + options.valid + options.test;
  check_usage(2 * wanted <= different, "symbols: ", options.symbols, " symbols give ", different,
              " different sequences of ", shortest, " to ", longest, ", too few for ", wanted,
              " pairs; take more symbols, longer sequences or fewer pairs");
}

constexpr int longest_sequence = 100'000, most_symbols = 1'000'000;

// ---- Copy and reverse -----------------------------------------------------------------------------------------------

void check_sequences(const GeneratedTaskOptions& options) {
  check_whole("min-length", options.min_length, {1, longest_sequence});
  check_whole("max-length", options.max_length, {options.min_length, longest_sequence});
  check_whole("test-max-length", options.test_max_length, {options.max_length, longest_sequence});
  check_whole("symbols", options.symbols, {1, most_symbols});
  check_variety(options, options.min_length, options.max_length);
}

template <Order order>
GeneratedCorpus make_sequences(const GeneratedTaskOptions& options) {
  return different_pairs(options, [&](const Rng& rng, int longest) -> std::optional<GeneratedPair> {
    return sequence_pair(draw_symbols(rng, longest, options), order);
  });
}

// ---- Duplication (Kitaev 2020, section 5) ---------------------------------------------------------------------------

void check_duplication(const GeneratedTaskOptions& options) {
  check_whole("length", options.length, {4, longest_sequence});
  check_usage(options.length % 2 == 0, "length: 0 w 0 w has an even number of symbols, got ", options.length);
  check_whole("symbols", options.symbols, {1, most_symbols});
  check_variety(options, options.length / 2 - 1, options.length / 2 - 1);
}

// 0 w 0 and, to be told, w: random symbols 1 ... symbols.
GeneratedCorpus make_duplication(const GeneratedTaskOptions& options) {
  return different_pairs(options, [&](const Rng& rng, int) -> std::optional<GeneratedPair> {
    GeneratedPair pair;
    for (uint64_t i = 0; i < static_cast<uint64_t>(options.length / 2 - 1); ++i) {
      const uint64_t symbol = 1 + rng.below(i, static_cast<uint64_t>(options.symbols));
      pair.target.append(i == 0 ? "" : " ").append(std::to_string(symbol));
    }
    pair.source = "0 " + pair.target + " 0";
    return pair;
  });
}

// ---- Nested lists ---------------------------------------------------------------------------------------------------

void check_list_operations(const GeneratedTaskOptions& options) {
  check_whole("min-length", options.min_length, {1, longest_sequence});
  check_whole("max-length", options.max_length, {options.min_length, longest_sequence});
}

GeneratedCorpus make_list_operations(const GeneratedTaskOptions& options) {
  return different_pairs(options, [&](const Rng& rng, int) {
    return draw_list_operations(rng, {options.min_length, options.max_length});
  });
}

void anything(const GeneratedTaskOptions&) {}

}  // namespace

std::span<const GeneratedTask> generated_tasks() {
  static constexpr std::array<std::string_view, 4> of_sequences{"min-length", "max-length", "test-max-length",
                                                                "symbols"};
  static constexpr std::array<std::string_view, 2> of_duplication{"length", "symbols"};
  static constexpr std::array<std::string_view, 2> of_lists{"min-length", "max-length"};
  static constexpr std::array table{
      GeneratedTask{"copy",
                    "sequences of symbols, to be written again",
                    "source",
                    "target",
                    of_sequences,
                    {},
                    check_sequences,
                    make_sequences<Order::same>},
      GeneratedTask{"reverse",
                    "sequences of symbols, to be written backwards",
                    "source",
                    "target",
                    of_sequences,
                    {},
                    check_sequences,
                    make_sequences<Order::reversed>},
      GeneratedTask{"duplication",
                    "0 w 0 and w again for a language model to tell, as in Reformer's paper",
                    "tsv",
                    "",
                    of_duplication,
                    {.symbols = 127},
                    check_duplication,
                    make_duplication},
      GeneratedTask{"listops",
                    "nested lists to be evaluated to a digit, as in Long Range Arena, for a classifier",
                    "tsv",
                    "",
                    of_lists,
                    {.min_length = 100, .max_length = 400},
                    check_list_operations,
                    make_list_operations},
      GeneratedTask{"grammar",
                    "sentences of a small English grammar with their Vietnamese translations",
                    "en",
                    "vi",
                    {},
                    {},
                    anything,
                    make_grammar},
  };
  return table;
}

const GeneratedTask& generated_task(std::string_view word) {
  return entry_of_word("task", word, generated_tasks(), &GeneratedTask::word);
}

void check_options(const GeneratedTaskOptions& options, const GeneratedTask& task) {
  constexpr int most_pairs = 1'000'000;
  check_whole("train", options.train, {0, most_pairs});
  check_whole("valid", options.valid, {0, most_pairs});
  check_whole("test", options.test, {0, most_pairs});
  task.check(options);
}

}  // namespace attune
