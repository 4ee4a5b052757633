#include "attune/metrics/chrf.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>

#include "attune/base/profile.h"
#include "attune/metrics/ngram_trie.h"
#include "attune/metrics/parallel_text.h"
#include "attune/text/unicode.h"

namespace attune {
namespace {

constexpr int max_order = 6;
constexpr double beta_squared = 4;
using Symbols = std::vector<uint32_t>;

struct Statistics {
  std::array<int64_t, max_order> hypothesis{}, reference{}, matches{};

  void add(const Statistics& other) {
    for (size_t n = 0; n < max_order; ++n) {
      hypothesis[n] += other.hypothesis[n];
      reference[n] += other.reference[n];
      matches[n] += other.matches[n];
    }
  }
};

double f_score(const Statistics& counts) {
  double precision = 0, recall = 0;
  int effective_order = 0;
  for (size_t n = 0; n < max_order; ++n) {
    if (counts.hypothesis[n] == 0 || counts.reference[n] == 0) continue;
    precision += static_cast<double>(counts.matches[n]) / static_cast<double>(counts.hypothesis[n]);
    recall += static_cast<double>(counts.matches[n]) / static_cast<double>(counts.reference[n]);
    ++effective_order;
  }
  if (precision + recall == 0) return 0;
  precision /= effective_order;
  recall /= effective_order;
  return 100 * ((1 + beta_squared) * precision * recall / (beta_squared * precision + recall));
}

void assign_characters(const std::string& sentence, const ChrfOptions& options, Symbols& symbols) {
  const std::string lowered = options.lowercase ? lowercase(sentence) : std::string();
  const std::string_view text = options.lowercase ? lowered : sentence;
  symbols.clear();
  for (size_t position = 0; position < text.size();) {
    const char32_t character = next_code_point(text, position);
    if (!is_space(character)) symbols.push_back(character);
  }
}

Statistics compare(NgramTrie<max_order>& trie, const Symbols& hypothesis, const Symbols& reference) {
  trie.start(reference.size());
  trie.add_reference(reference);
  Statistics counts;
  counts.matches = trie.match(hypothesis);
  for (size_t n = 0; n < max_order; ++n) {
    counts.reference[n] = ngram_count(reference.size(), n + 1);
    // An order that the reference is too short for is not held against the hypothesis.
    counts.hypothesis[n] = counts.reference[n] == 0 ? 0 : ngram_count(hypothesis.size(), n + 1);
  }
  return counts;
}

}  // namespace

Chrf chrf(std::span<const std::string> hypotheses, std::span<const std::vector<std::string>> references,
          const ChrfOptions& options) {
  const ProfileScope scope("chrf");
  check_parallel("chrF", hypotheses, references);
  NgramTrie<max_order> trie;
  Symbols hypothesis, reference;
  Statistics corpus;
  for (size_t i = 0; i < hypotheses.size(); ++i) {
    assign_characters(hypotheses[i], options, hypothesis);
    Statistics best;
    double best_score = -1;
    for (const std::vector<std::string>& translation : references) {
      assign_characters(translation[i], options, reference);
      const Statistics counts = compare(trie, hypothesis, reference);
      const double score = references.size() == 1 ? 0 : f_score(counts);
      if (score > best_score) {
        best_score = score;
        best = counts;
      }
    }
    corpus.add(best);
  }
  return Chrf{.score = f_score(corpus),
              .signature = fmt::format("nrefs:{}|case:{}|eff:yes|nc:6|nw:0|space:no", references.size(),
                                       options.lowercase ? "lc" : "mixed")};
}

}  // namespace attune
