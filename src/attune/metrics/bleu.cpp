#include "attune/metrics/bleu.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <string_view>
#include <unordered_map>

#include "attune/base/profile.h"
#include "attune/metrics/ngram_trie.h"
#include "attune/metrics/parallel_text.h"
#include "attune/text/unicode.h"

namespace attune {
namespace {

constexpr int max_order = 4;
using Symbols = std::vector<uint32_t>;

// Sentences to token numbers. A token has the same number everywhere in the corpus.
class TokenNumbers {
 public:
  explicit TokenNumbers(const BleuOptions& options) : options_(options) {}

  void assign(const std::string& sentence, Symbols& symbols) {
    const std::string tokens = options_.lowercase ? tokenize(lowercase(sentence), options_.tokenization)
                                                  : tokenize(sentence, options_.tokenization);
    symbols.clear();
    for (const std::string_view token : split_whitespace(tokens)) symbols.push_back(number(token));
  }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };

  uint32_t number(std::string_view token) {
    const auto known = numbers_.find(token);
    if (known != numbers_.end()) return known->second;
    const auto next = static_cast<uint32_t>(numbers_.size());
    numbers_.emplace(token, next);
    return next;
  }

  BleuOptions options_;
  std::unordered_map<std::string, uint32_t, Hash, std::equal_to<>> numbers_;
};

// The reference length nearest to the hypothesis's; of two equally near ones the shorter.
size_t closest_length(size_t hypothesis, std::span<const Symbols> references) {
  size_t closest = references.front().size();
  const auto distance = [&](size_t length) { return length > hypothesis ? length - hypothesis : hypothesis - length; };
  for (const Symbols& reference : references) {
    const size_t length = reference.size();
    const bool nearer = distance(length) < distance(closest);
    if (nearer || (distance(length) == distance(closest) && length < closest)) closest = length;
  }
  return closest;
}

void count_corpus(Bleu& result, std::span<const std::string> hypotheses,
                  std::span<const std::vector<std::string>> references, const BleuOptions& options) {
  TokenNumbers numbers(options);
  NgramTrie<max_order> trie;
  Symbols hypothesis;
  std::vector<Symbols> expected(references.size());
  for (size_t i = 0; i < hypotheses.size(); ++i) {
    size_t reference_symbols = 0;
    for (size_t r = 0; r < references.size(); ++r) {
      numbers.assign(references[r][i], expected[r]);
      reference_symbols += expected[r].size();
    }
    trie.start(reference_symbols);
    for (const Symbols& reference : expected) trie.add_reference(reference);
    numbers.assign(hypotheses[i], hypothesis);
    const auto matches = trie.match(hypothesis);
    for (size_t n = 0; n < max_order; ++n) {
      result.matches[n] += matches[n];
      result.totals[n] += ngram_count(hypothesis.size(), n + 1);
    }
    result.hypothesis_length += static_cast<int64_t>(hypothesis.size());
    result.reference_length += static_cast<int64_t>(closest_length(hypothesis.size(), expected));
  }
}

double brevity_penalty(int64_t hypothesis_length, int64_t reference_length) {
  if (hypothesis_length >= reference_length) return 1;
  if (hypothesis_length == 0) return 0;
  return std::exp(1 - static_cast<double>(reference_length) / static_cast<double>(hypothesis_length));
}

// Fills precisions and score from the counts.
void score_counts(Bleu& result) {
  result.brevity_penalty = brevity_penalty(result.hypothesis_length, result.reference_length);
  if (result.matches[0] == 0) return;  // then no longer n-gram matches either
  double unmatched = 1, log_sum = 0;
  bool defined = true;
  for (size_t n = 0; n < max_order; ++n) {
    const auto total = static_cast<double>(result.totals[n]);
    if (result.totals[n] == 0) {  // effective order no: a corpus without any 4-gram scores 0
      defined = false;
      break;
    }
    if (result.matches[n] == 0) {
      unmatched *= 2;
      result.precisions[n] = 100 / (unmatched * total);
    } else {
      result.precisions[n] = 100 * static_cast<double>(result.matches[n]) / total;
    }
    log_sum += std::log(result.precisions[n]);
  }
  result.score = defined ? result.brevity_penalty * std::exp(log_sum / max_order) : 0;
}

}  // namespace

Bleu bleu(std::span<const std::string> hypotheses, std::span<const std::vector<std::string>> references,
          const BleuOptions& options) {
  const ProfileScope scope("bleu");
  check_parallel("BLEU", hypotheses, references);
  Bleu result;
  count_corpus(result, hypotheses, references, options);
  score_counts(result);
  result.signature = fmt::format("nrefs:{}|case:{}|eff:no|tok:{}|smooth:exp", references.size(),
                                 options.lowercase ? "lc" : "mixed", name(options.tokenization));
  return result;
}

std::string details(const Bleu& bleu) {
  const double ratio = bleu.reference_length == 0
                           ? 0
                           : static_cast<double>(bleu.hypothesis_length) / static_cast<double>(bleu.reference_length);
  return fmt::format("{:.1f}/{:.1f}/{:.1f}/{:.1f} (BP = {:.3f} ratio = {:.3f} hyp_len = {} ref_len = {})",
                     bleu.precisions[0], bleu.precisions[1], bleu.precisions[2], bleu.precisions[3],
                     bleu.brevity_penalty, ratio, bleu.hypothesis_length, bleu.reference_length);
}

}  // namespace attune
