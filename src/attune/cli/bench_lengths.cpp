#include "attune/cli/bench_lengths.h"

#include <cmath>

#include "attune/base/option_checks.h"
#include "attune/cli/option_value.h"

namespace attune::cli {

std::vector<int> read_lengths(const std::string& flag, const std::vector<std::string>& words, int most) {
  std::vector<int> lengths;
  for (const std::string& word : words) {
    int length = 0;
    read_value(&length, {word}, flag);
    check_whole(flag, length, {lengths.empty() ? 1 : lengths.back() + 1, most});
    lengths.push_back(length);
  }
  return lengths;
}

std::optional<double> crossing(std::span<const int> lengths, const ValueAt& one, const ValueAt& other) {
  for (size_t i = 1; i < lengths.size(); ++i) {
    const double before = std::log(one(i - 1) / other(i - 1)), after = std::log(one(i) / other(i));
    if ((before < 0) != (after < 0)) {
      const double share = before / (before - after);
      return lengths[i - 1] * std::pow(static_cast<double>(lengths[i]) / lengths[i - 1], share);
    }
  }
  return std::nullopt;
}

std::optional<double> fitted_power(std::span<const int> lengths, std::span<const double> values) {
  if (lengths.size() < 2) return std::nullopt;
  const auto count = static_cast<double>(lengths.size());
  double x = 0, y = 0, xx = 0, xy = 0;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const double log_n = std::log(lengths[i]), log_value = std::log(values[i]);
    x += log_n, y += log_value, xx += log_n * log_n, xy += log_n * log_value;
  }
  return (count * xy - x * y) / (count * xx - x * x);
}

}  // namespace attune::cli
