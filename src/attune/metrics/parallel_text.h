// What every metric over hypotheses and references asks of its input.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/base/check.h"

namespace attune {

// `references`: one vector for each reference translation.
inline void check_parallel(std::string_view metric, std::span<const std::string> hypotheses,
                           std::span<const std::vector<std::string>> references) {
  check(!references.empty(), metric, ": expected at least one reference translation, got none");
  for (size_t i = 0; i < references.size(); ++i) {
    check(references[i].size() == hypotheses.size(), metric, ": ", hypotheses.size(), " hypotheses but ",
          references[i].size(), " sentences in reference ", i + 1,
          "; both must have one line per sentence, in the same order");
  }
  check(!hypotheses.empty(), metric, ": no sentences to score (0 hypotheses, 0 reference sentences)");
}

}  // namespace attune
