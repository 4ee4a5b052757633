// Tasks whose corpora the program makes itself, in a table: the grammar, and sequences of symbols to be copied or
// reversed. Those show what a model keeps of a long source: it is trained on lengths up to one bound and tested on
// lengths up to a higher one. The same options give the same corpus everywhere.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "attune/data/generated.h"

namespace attune {

struct GeneratedTaskOptions {
  int train = 20000, valid = 500, test = 1000;  // pairs
  uint64_t seed = 1;
  int min_length = 4, max_length = 32, test_max_length = 64;  // symbols; every length is as frequent as any other
  int symbols = 26;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("train", self.train, "pairs to learn from");
    each("valid", self.valid, "pairs to watch the training");
    each("test", self.test, "pairs for the test; none of their sources occurs in the other parts");
    each("seed", self.seed, "equal seeds give equal files");
    each("min-length", self.min_length, "copy, reverse: symbols of a sequence at least");
    each("max-length", self.max_length, "copy, reverse: at most, in train and valid");
    each("test-max-length", self.test_max_length, "copy, reverse: at most, in the test");
    each("symbols", self.symbols, "copy, reverse: how many different ones there are");
  }
};

// A row of the table of tasks.
struct GeneratedTask {
  std::string_view word, purpose;
  std::string_view source_ending, target_ending;  // of the files it is written to
  bool of_symbols;                                // lengths and symbols are options of it
  GeneratedCorpus (*make)(const GeneratedTaskOptions& options);
};
std::span<const GeneratedTask> generated_tasks();
// Throws a UsageError that lists the known words.
const GeneratedTask& generated_task(std::string_view word);

// Throws a UsageError naming the key, what was expected and what came.
void check_options(const GeneratedTaskOptions& options, const GeneratedTask& task);

}  // namespace attune
