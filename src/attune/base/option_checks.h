// Checks of option values, whose messages all read "key: expected ..., got ...". They throw a UsageError.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <string_view>

namespace attune {

void check_word(std::string_view key, std::string_view value, std::initializer_list<std::string_view> known);
// For tables of words, after the search found none.
[[noreturn]] void refuse_word(std::string_view key, std::string_view value, std::span<const std::string_view> known);

struct WholeRange {
  int64_t least = 0, most = std::numeric_limits<int64_t>::max();
};
void check_whole(std::string_view key, int64_t value, const WholeRange& range);

struct Interval {
  double low = 0, high = 0;
  bool low_open = false, high_open = false;
};
void check_number(std::string_view key, double value, const Interval& range);

}  // namespace attune
