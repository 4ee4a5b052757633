#include "attune/inspect/attention_statistics.h"

#include <cmath>

namespace attune {

namespace {

// Adds the figures of one row to `sums`; false for a row of zeros.
bool add_row(const AttentionMap& map, int query, AttentionStatistics& sums) {
  double sum = 0;
  int visible = 0;
  for (int key = 0; key < map.keys; ++key) {
    sum += std::abs(static_cast<double>(map.weight(query, key)));
    visible += map.is_hidden(query, key) ? 0 : 1;
  }
  if (sum <= 0) {
    return false;
  }
  const double diagonal = map.queries > 1 ? static_cast<double>(query) * (map.keys - 1) / (map.queries - 1) : 0;
  for (int key = 0; key < map.keys; ++key) {
    const double p = std::abs(static_cast<double>(map.weight(query, key))) / sum;
    sums.entropy -= p > 0 ? p * std::log(p) : 0;
    sums.distance += p * std::abs(key - diagonal);
  }
  sums.even += std::log(static_cast<double>(visible));
  return true;
}

}  // namespace

AttentionStatistics statistics_of(const AttentionMap& map) {
  AttentionStatistics result;
  int rows = 0;
  for (int query = 0; query < map.queries; ++query) {
    rows += add_row(map, query, result) ? 1 : 0;
  }
  if (rows > 0) {
    result.entropy /= rows;
    result.even /= rows;
    result.distance /= rows;
  }
  return result;
}

}  // namespace attune
