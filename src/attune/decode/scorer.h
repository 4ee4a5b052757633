// How probable a model finds given translations: log p of each target piece and of whole sentences, in the order of the
// examples. A pair's figures do not depend on the others, nor on the size of batches.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "attune/data/batches.h"
#include "attune/models/model.h"

namespace attune {

// Called with the sentences done so far and their total.
using SentenceProgress = std::function<void(int64_t done, int64_t total)>;

struct ScoreOptions {
  int batch_tokens = 4096;  // target tokens a batch
  int max_length = 8192;    // pieces of a sentence; longer ones are refused, as attention takes time as their square
};

// Throws a UsageError naming the key, what was expected and what came.
void check_options(const ScoreOptions& options);

struct PairScore {
  std::vector<float> log_probabilities;  // natural logarithm, of each target piece and of </s>
  double log_probability = 0;            // their sum
};

std::vector<PairScore> score_pairs(const Model& model, std::span<const Example> pairs, const ScoreOptions& options = {},
                                   const SentenceProgress& progress = {});

}  // namespace attune
