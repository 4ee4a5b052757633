// chrF2 on raw text, equal to sacreBLEU's (character order 6, word order 0, beta 2, white space removed, effective
// order instead of epsilon smoothing):
//   chrF = 100 (1 + beta^2) P R / (beta^2 P + R)
// with P and R the means of the corpus-wide precisions and recalls over the orders of which hypotheses and references
// have n-grams. Popovic 2015. Of several references each sentence counts the one with the best score of its own.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace attune {

struct ChrfOptions {
  bool lowercase = false;
};

struct Chrf {
  double score = 0;            // 0..100
  std::string signature = {};  // sacreBLEU's without its version: nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no
};

// `references` holds one vector for each reference translation, every one as long as `hypotheses`.
Chrf chrf(std::span<const std::string> hypotheses, std::span<const std::vector<std::string>> references,
          const ChrfOptions& options = {});

}  // namespace attune
