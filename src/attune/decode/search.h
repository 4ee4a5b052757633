// Greedy and beam search for the most probable translations of one batch of sentences, with the model's key/value
// cache.
//
// Each step extends every live hypothesis of a sentence by every piece and ranks the results by log p. Those among the
// first beam-size that end in </s> are finished; the first beam-size of the others live on. A sentence that its
// stopping rule calls done leaves the batch. What a sentence gets depends on that sentence alone, bit by bit: not on
// what it is batched with, nor on the number of threads.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "attune/decode/options.h"
#include "attune/models/model.h"

namespace attune {

struct Hypothesis {
  std::vector<int> ids;        // without </s>
  double log_probability = 0;  // of the pieces and </s>, natural logarithm
  double score = 0;            // log_probability / length_penalty(pieces with </s>)
  bool cut_short = false;      // </s> was forced at the longest output, where another piece was more probable
};

// One step of one sentence, for those who look on.
struct SearchStep {
  enum class Fate : uint8_t { lives, finished, dropped };
  struct Candidate {
    std::vector<int> ids;  // what has been written, </s> last where it finishes
    double log_probability = 0;
    Fate fate = Fate::dropped;
  };
  size_t sentence = 0;                // among the sources
  std::vector<Candidate> candidates;  // the best first
};
using SearchObserver = std::function<void(const SearchStep& step)>;

// For each source (ids without </s>, which the search appends) its n_best hypotheses, the best score first, of equal
// ones the one finished first; fewer only where fewer exist. <s> is never written, <unk> only with allow_unknown.
std::vector<std::vector<Hypothesis>> search(const Model& model, std::span<const std::vector<int>> sources,
                                            const SearchOptions& options, const SearchObserver& observer = {});

}  // namespace attune
