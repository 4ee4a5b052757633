// What of a row of attention weights is written when it is long.
#pragma once

#include <vector>

#include "attune/inspect/inspection.h"

namespace attune {

struct LargestWeights {
  std::vector<int> keys;  // ascending; all visible ones when there are at most `top_k` keys
  double left_out = 0;    // the sum of the others' weights
};
LargestWeights largest_weights(const AttentionMap& map, int query, int top_k);

// To six significant digits.
double rounded(double value);

}  // namespace attune
