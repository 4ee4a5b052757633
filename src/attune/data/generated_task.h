// Tasks whose corpora the program makes itself, in a table: the grammar, sequences of symbols to be copied or reversed,
// sequences that repeat themselves, and expressions to be evaluated. They show what a model keeps of a long source, how
// far it can look back, and whether it finds its way through nested brackets. The same options give the same corpus
// everywhere.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "attune/data/generated.h"

namespace attune {

struct GeneratedTaskOptions {
  int train = 20000, valid = 500, test = 1000;  // pairs
  uint64_t seed = 1;
  int min_length = 4, max_length = 32, test_max_length = 64;
  int symbols = 26;
  int length = 256;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("train", self.train, "pairs to learn from");
    each("valid", self.valid, "pairs to watch the training");
    each("test", self.test, "pairs for the test; none of their sources occurs in the other parts");
    each("seed", self.seed, "equal seeds give equal files");
    each("min-length", self.min_length, "copy, reverse: symbols of a sequence at least; listops: tokens (100)");
    each("max-length", self.max_length, "copy, reverse: at most, in train and valid; listops: tokens (400)");
    each("test-max-length", self.test_max_length, "copy, reverse: at most, in the test");
    each("symbols", self.symbols, "copy, reverse, duplication (127): how many different ones there are");
    each("length", self.length, "duplication: symbols of a sequence, an even number");
  }
};

// A row of the table of tasks.
struct GeneratedTask {
  std::string_view word, purpose;
  // Of the files it is written to; without the second one there is one file of source<TAB>target and no alignment.
  std::string_view source_ending, target_ending;
  std::span<const std::string_view> keys;  // of the options that only some tasks have, those of this one
  GeneratedTaskOptions defaults;
  // Throws a UsageError naming the key, what was expected and what came; the sizes are looked at already.
  void (*check)(const GeneratedTaskOptions& options);
  // Throws a UsageError when there are not as many different sources.
  GeneratedCorpus (*make)(const GeneratedTaskOptions& options);
};
std::span<const GeneratedTask> generated_tasks();
// Throws a UsageError that lists the known words.
const GeneratedTask& generated_task(std::string_view word);

// Throws a UsageError naming the key, what was expected and what came.
void check_options(const GeneratedTaskOptions& options, const GeneratedTask& task);

}  // namespace attune
