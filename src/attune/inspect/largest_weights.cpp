#include "attune/inspect/largest_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace attune {

LargestWeights largest_weights(const AttentionMap& map, int query, int top_k) {
  LargestWeights result;
  for (int key = 0; key < map.keys; ++key) {
    if (!map.is_hidden(query, key)) {
      result.keys.push_back(key);
    }
  }
  const auto count = static_cast<std::ptrdiff_t>(top_k);
  if (map.keys <= top_k || std::ssize(result.keys) <= count) {
    return result;
  }
  std::stable_sort(result.keys.begin(), result.keys.end(),
                   [&](int a, int b) { return std::abs(map.weight(query, a)) > std::abs(map.weight(query, b)); });
  for (auto key = result.keys.begin() + count; key != result.keys.end(); ++key) {
    result.left_out += static_cast<double>(map.weight(query, *key));
  }
  result.keys.resize(static_cast<size_t>(top_k));
  std::sort(result.keys.begin(), result.keys.end());
  return result;
}

double rounded(double value) {
  const std::string text = fmt::format("{:.6g}", value);
  double result = 0;
  std::from_chars(text.data(), text.data() + text.size(), result);
  return result;
}

}  // namespace attune
