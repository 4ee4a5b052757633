// Rotary positions (Su 2021, section 3.2.2): each pair of a head's numbers is a point in the plane, turned by the angle
// p theta_i, theta_i = 10000^(-2i / depth), of its token's position p. The product of a turned query and a turned key
// then depends on how far they are apart, not on where they are. Which numbers are pair i:
//   interleaved  2i and 2i + 1          (the paper, GPT-J)
//   halves       i and i + depth / 2    (GPT-NeoX, LLaMA)
#pragma once

#include <cstdint>
#include <span>

#include "attune/tensor/tensor.h"

namespace attune {

enum class RotaryPairs : uint8_t { interleaved, halves };

// x [rows, heads, depth], even depth, float32 or float64, maybe strided; row r stands at positions[r] >= 0. The result
// is contiguous. A row's bits depend on its position alone.
Tensor rotary(const Tensor& x, std::span<const int32_t> positions, RotaryPairs pairs);

// theta_i, of depth / 2 pairs.
double rotary_frequency(int64_t i, int64_t depth);

}  // namespace attune
