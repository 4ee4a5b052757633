// What the forward and the backward of spatial gating multiply with: W as products read it. Internal to
// spatial_gating.cpp.
#pragma once

#include <algorithm>
#include <memory>
#include <type_traits>

#include "attune/attention/spatial_gating.h"
#include "attune/ops/row_layout.h"
#include "attune/tensor/derived.h"

namespace attune::attention::gating {

// As it stands, or transposed for the backward.
enum class Side : uint8_t { forward, backward };

template <class Operand, bool causal, Side side>
struct Square {
  Tensor matrix;  // [heads, n, n]
};

inline Tensor written_out(const Tensor& weight, int64_t n, bool causal, Side side) {
  const int64_t heads = weight.size(0), each = weight.elements() / heads;
  const bool toeplitz = weight.rank() == 2;
  Tensor square = Tensor::zeros({heads, n, n}, weight.dtype());
  float* to = square.pointer<float>();
  for (int64_t row = 0; row < heads * n; ++row) {
    const int64_t i = row % n, seen = causal ? i + 1 : n;
    const float* from = weight.pointer<float>() + row / n * each + (toeplitz ? n - 1 - i : i * n);
    if (side == Side::forward) {
      std::copy_n(from, seen, to + row * n);
      continue;
    }
    for (int64_t j = 0; j < seen; ++j) to[(row - i + j) * n + i] = from[j];
  }
  return square;
}

// Kept with the parameter until that changes; the parameter itself where products can read that.
template <class Operand, bool causal, Side side>
Tensor square_of(const Tensor& weight, int64_t n) {
  constexpr bool rounds = !std::is_same_v<Operand, float>;
  const bool plain = !causal && side == Side::forward && weight.rank() == 3;
  if (plain && !rounds) {
    return weight;
  }
  using Form = Square<Operand, causal, side>;
  return derived<Form>(weight,
                       [&] {
                         const Tensor square = plain ? weight : written_out(weight, n, causal, side);
                         return std::make_shared<const Form>(Form{rounds ? rounded_to_bfloat16(square) : square});
                       })
      ->matrix;
}

template <class Operand, Side side = Side::forward>
Tensor square_of(const SpatialGatingInputs& in, bool causal) {
  const int64_t n = in.bias.size(1);
  return causal ? square_of<Operand, true, side>(in.weight, n) : square_of<Operand, false, side>(in.weight, n);
}

}  // namespace attune::attention::gating
