#include "attune/ops/rotary.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "attune/autograd/tape.h"
#include "attune/base/profile.h"
#include "attune/ops/rotary_cpu.h"

namespace attune {

namespace {

struct Pair {
  int64_t first, second;
};
Pair pair_of(RotaryPairs pairs, int64_t i, int64_t depth) {
  return pairs == RotaryPairs::halves ? Pair{i, i + depth / 2} : Pair{2 * i, 2 * i + 1};
}

// turn: 1, or -1, the rotation back, which is the gradient's.
Tensor definition(const Tensor& x, std::span<const int32_t> positions, RotaryPairs pairs, double turn) {
  const int64_t heads = x.size(1), depth = x.size(2);
  Tensor y = Tensor::empty(x.shape(), DType::float64);
  for (int64_t row = 0; row < x.size(0); ++row) {
    for (int64_t head = 0; head < heads; ++head) {
      const double* from = x.pointer<double>() + row * x.stride(0) + head * x.stride(1);
      double* to = y.pointer<double>() + (row * heads + head) * depth;
      for (int64_t i = 0; i < depth / 2; ++i) {
        const auto [a, b] = pair_of(pairs, i, depth);
        const double angle = turn * positions[static_cast<size_t>(row)] * rotary_frequency(i, depth);
        to[a] = from[a] * std::cos(angle) - from[b] * std::sin(angle);
        to[b] = from[a] * std::sin(angle) + from[b] * std::cos(angle);
      }
    }
  }
  return y;
}

// Rows of positions 0 ... count - 1 at least (cpu::rotary); each is computed once a thread.
const float* factors(int64_t count, int64_t depth, RotaryPairs pairs) {
  struct Known {
    int64_t depth = 0;
    std::vector<float> rows;
  };
  thread_local std::array<Known, 2> of_pairs;
  Known& known = of_pairs[static_cast<size_t>(pairs)];
  if (known.depth != depth) {
    known = {depth, {}};
  }
  for (auto p = static_cast<int64_t>(known.rows.size()) / (2 * depth); p < count; ++p) {
    known.rows.resize(known.rows.size() + static_cast<size_t>(2 * depth));
    float* own = known.rows.data() + p * 2 * depth;
    for (int64_t i = 0; i < depth / 2; ++i) {
      const auto [a, b] = pair_of(pairs, i, depth);
      const double angle = static_cast<double>(p) * rotary_frequency(i, depth);
      own[a] = own[b] = static_cast<float>(std::cos(angle));
      own[depth + b] = static_cast<float>(std::sin(angle));
      own[depth + a] = -own[depth + b];
    }
  }
  return known.rows.data();
}

Tensor turned(const Tensor& x, std::span<const int32_t> positions, RotaryPairs pairs, int turn) {
  if (x.dtype() == DType::float64) {
    return definition(x, positions, pairs, turn);
  }
  Tensor y = Tensor::empty(x.shape());
  if (y.elements() > 0) {
    const int64_t count = int64_t{*std::max_element(positions.begin(), positions.end())} + 1;
    const cpu::Rotation rotation{
        x.size(0), x.size(1), x.size(2), x.stride(0), x.stride(1), pairs, static_cast<float>(turn)};
    cpu::rotary(rotation, x.pointer<float>(), positions.data(), factors(count, x.size(2), pairs), y.pointer<float>());
  }
  return y;
}

}  // namespace

double rotary_frequency(int64_t i, int64_t depth) {
  return std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(depth));
}

Tensor rotary(const Tensor& x, std::span<const int32_t> positions, RotaryPairs pairs) {
  const ProfileScope scope("rotary");
  scope.count(0, 2 * x.bytes());
  check(x.rank() == 3 && x.size(2) % 2 == 0, "rotary: x ", x.shape(), " must be [rows, heads, depth] with even depth");
  check(x.size(0) == static_cast<int64_t>(positions.size()), "rotary: ", positions.size(), " positions for ", x.size(0),
        " rows");
  check(std::all_of(positions.begin(), positions.end(), [](int32_t p) { return p >= 0; }),
        "rotary: a position is negative");
  check(x.dtype() == DType::float32 || x.dtype() == DType::float64, "rotary: x holds ", name_of(x.dtype()),
        ", expected float32 or float64");
  return differentiable(
      "rotary", turned(x, positions, pairs, 1), {x},
      [at = std::vector<int32_t>(positions.begin(), positions.end()), pairs](const Tensor& dy, Adjoints& into) {
        ProfileScope::count(0, 2 * dy.bytes());
        into.add(0, turned(dy, at, pairs, -1));
      });
}

}  // namespace attune
