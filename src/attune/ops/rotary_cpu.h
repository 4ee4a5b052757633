// Rotary positions on the processor, in float32.
#pragma once

#include <cstdint>

#include "attune/ops/rotary.h"

namespace attune::cpu {

// to[row, head] = x cos + turn (the other of each pair) sin: x[row, head] lies at x + row * row_stride + head *
// head_stride, `to` is contiguous. table: [positions, 2 depth], a factor of each number, then of its pair's other one
// (with its sign); turn: 1, or -1 to turn back.
struct Rotation {
  int64_t rows, heads, depth, row_stride, head_stride;
  RotaryPairs pairs;
  float turn;
};
void rotary(const Rotation& rotation, const float* x, const int32_t* positions, const float* table, float* to);

}  // namespace attune::cpu
