#include "attune/base/option_checks.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>

#include "attune/base/check.h"
#include "attune/base/text.h"

namespace attune {

void check_word(std::string_view key, std::string_view value, std::initializer_list<std::string_view> known) {
  if (std::find(known.begin(), known.end(), value) == known.end()) {
    refuse_word(key, value, {known.begin(), known.size()});
  }
}

void refuse_word(std::string_view key, std::string_view value, std::span<const std::string_view> known) {
  std::string list;
  for (size_t i = 0; i < known.size(); ++i) {
    list.append(i == 0 ? "" : i + 1 == known.size() ? " or " : ", ").append(known[i]);
  }
  throw UsageError(std::string(key) + ": expected " + list + ", got \"" + std::string(value) + "\"");
}

void check_whole(std::string_view key, int64_t value, const WholeRange& range) {
  const bool bounded = range.most != std::numeric_limits<int64_t>::max();
  check_usage(value >= range.least && value <= range.most, key, ": expected ", range.least,
              bounded ? " to " + text_of(range.most) : " or more", ", got ", value);
}

std::vector<int> listed_numbers(std::string_view key, std::string_view value, const WholeRange& range) {
  std::vector<int> numbers;
  const char *at = value.data(), *end = at + value.size();
  while (at != end) {
    int number = 0;
    const auto [behind, error] = std::from_chars(at, end, number);
    check_usage(error == std::errc() && number >= range.least && number <= range.most &&
                    (behind == end || (*behind == ',' && behind + 1 != end)),
                key, ": expected whole numbers from ", range.least, " to ", range.most, " separated by commas, got \"",
                value, "\"");
    numbers.push_back(number);
    at = behind == end ? end : behind + 1;
  }
  return numbers;
}

void check_number(std::string_view key, double value, const NumberRange& range) {
  const bool above = range.low_open ? value > range.low : value >= range.low;
  const bool below = range.high_open ? value < range.high : value <= range.high;
  check_usage(std::isfinite(value) && above && below, key, ": expected a number ", range.low_open ? "above " : "from ",
              range.low, range.high_open ? " and below " : " to ", range.high, ", got ", value);
}

}  // namespace attune
