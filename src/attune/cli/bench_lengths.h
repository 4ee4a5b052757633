// What the benches share that measure over lengths.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace attune::cli {

// Whole numbers of 1 to `most`, rising.
std::vector<int> read_lengths(const std::string& flag, const std::vector<std::string>& words, int most);

// Where one line, of values above 0 at these lengths, gets from one side of the other to its other side: the first
// place, straight between neighbours as both axes are logarithmic. Nothing when it does not.
using ValueAt = std::function<double(size_t)>;
std::optional<double> crossing(std::span<const int> lengths, const ValueAt& one, const ValueAt& other);

// The power of n that a line of values above 0 grows like: least squares of logarithms. Nothing from fewer than two.
std::optional<double> fitted_power(std::span<const int> lengths, std::span<const double> values);

}  // namespace attune::cli
