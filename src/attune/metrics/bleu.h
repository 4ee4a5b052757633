// Corpus BLEU on raw text, equal to sacreBLEU's (smooth exp, effective order no):
//   BLEU = 100 BP exp(1/4 sum_n log p_n),  BP = min(1, exp(1 - r/c))
// with p_n the clipped n-gram precision over the whole corpus, c the hypotheses' length and r the sum of the closest
// references' lengths. Papineni et al. 2002; Post 2018 ("A call for clarity in reporting BLEU scores") for the
// tokenization and the signature; Chen and Cherry 2014, method 3, for the k-th order without a match: 1 / (2^k total).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "attune/metrics/tokenization.h"

namespace attune {

struct BleuOptions {
  Tokenization tokenization = Tokenization::mteval_13a;
  bool lowercase = false;
};

struct Bleu {
  double score = 0;                    // 0..100, as the precisions
  std::array<double, 4> precisions{};  // orders 1..4, smoothed; all 0 when nothing matches at all
  double brevity_penalty = 1;
  int64_t hypothesis_length = 0;  // in tokens
  int64_t reference_length = 0;
  std::array<int64_t, 4> matches{}, totals{};
  std::string signature = {};  // sacreBLEU's without its version: nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp
};

// `references` holds one vector for each reference translation, every one as long as `hypotheses`.
Bleu bleu(std::span<const std::string> hypotheses, std::span<const std::vector<std::string>> references,
          const BleuOptions& options = {});

// What sacreBLEU prints behind the score: "57.1/33.3/20.0/12.5 (BP = 0.905 ratio = 0.909 hyp_len = 10 ref_len = 11)".
std::string details(const Bleu& bleu);

}  // namespace attune
