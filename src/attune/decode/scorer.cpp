#include "attune/decode/scorer.h"

#include <algorithm>
#include <numeric>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/ops/cross_entropy.h"

namespace attune {

void check_options(const ScoreOptions& options) {
  check_whole("batch-tokens", options.batch_tokens, {1, 100'000'000});
  check_whole("max-length", options.max_length, {1});
}

std::vector<PairScore> score_pairs(const Model& model, std::span<const Example> pairs, const ScoreOptions& options,
                                   const SentenceProgress& progress) {
  check_options(options);
  for (size_t i = 0; i < pairs.size(); ++i) {
    const size_t longest = std::max(pairs[i].source.size(), pairs[i].target.size());
    check(longest <= static_cast<size_t>(options.max_length), "pair ", i + 1, ": expected sentences of at most ",
          options.max_length, " pieces (max-length), got ", longest, "; split it, or raise max-length");
  }
  const OutputLayer output = model.output();
  std::vector<PairScore> scores(pairs.size());
  int64_t done = 0;
  for (const std::vector<int>& indices : batches_by_length(pairs, {.batch_tokens = options.batch_tokens})) {
    const Batch batch = make_batch(pairs, indices);
    const Tensor hidden = model.hidden(batch, Pass{});
    const std::vector<float> tokens = token_log_probabilities(hidden, output.weight, output.bias, batch.target_output);
    for (int i = 0; i < batch.count(); ++i) {
      PairScore& score = scores[static_cast<size_t>(indices[static_cast<size_t>(i)])];
      const auto begin = tokens.begin() + batch.targets.begin(i);
      score.log_probabilities.assign(begin, begin + batch.targets.length(i));
      score.log_probability = std::accumulate(score.log_probabilities.begin(), score.log_probabilities.end(), 0.0);
    }
    done += batch.count();
    if (progress) {
      progress(done, static_cast<int64_t>(pairs.size()));
    }
  }
  return scores;
}

}  // namespace attune
