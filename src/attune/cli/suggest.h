// The word a user probably meant.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace attune::cli {

// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other (Damerau 1964,
// restricted).
inline int edit_distance(std::string_view a, std::string_view b) {
  const size_t columns = b.size() + 1;
  std::vector<int> cost((a.size() + 1) * columns);
  const auto at = [&](size_t i, size_t j) -> int& { return cost[i * columns + j]; };
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        at(i, j) = static_cast<int>(i + j);
        continue;
      }
      const int replaced = at(i - 1, j - 1) + (a[i - 1] == b[j - 1] ? 0 : 1);
      at(i, j) = std::min({at(i - 1, j) + 1, at(i, j - 1) + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
      }
    }
  }
  return at(a.size(), b.size());
}

// The nearest of the known words, one it begins counting as near; empty when none is.
inline std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  const int size = static_cast<int>(word.size());
  if (size < 3 || size > 100) {
    return {};
  }
  std::string best;
  int least = (size == 3 ? 1 : std::max(2, size / 3)) + 1;
  for (const std::string& candidate : known) {
    const int distance = candidate.starts_with(word) ? 1 : edit_distance(word, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

// "; did you mean --width?", or `otherwise`.
inline std::string suggestion(std::string_view word, const std::vector<std::string>& known, const std::string& prefix,
                              const std::string& otherwise) {
  const std::string best = nearest(word, known);
  return best.empty() ? otherwise : "; did you mean " + prefix + best + "?";
}

}  // namespace attune::cli
