// Products with a layer's weight W [out, in]: C (+)= A W^T (forward) or A W (the gradient of the layer's input). W is
// packed once, kept with its storage, and packed again when that has changed (in training once an update).
#pragma once

#include "attune/kernels/packed_product.h"
#include "attune/ops/row_layout.h"
#include "attune/tensor/derived.h"

namespace attune {

namespace detail {

template <class Operand, bool transposed>
struct PackedWeight {
  Tensor memory;
  kernels::PackedMatrix<Operand> matrix;
};

template <class Operand, class Element, bool transposed>
std::shared_ptr<const PackedWeight<Operand, transposed>> pack(const Tensor& weight) {
  using Packed = kernels::PackedMatrix<Operand>;
  const Tensor even = with_even_rows(weight);
  const int64_t bytes = Packed::bytes(weight.size(transposed ? 1 : 0), weight.size(transposed ? 0 : 1));
  const Tensor memory = Tensor::empty({bytes / static_cast<int64_t>(sizeof(Operand))}, dtype_of<Operand>());
  const Packed matrix(as_operand<Element>(even, transposed), memory.storage()->data());
  return std::make_shared<const PackedWeight<Operand, transposed>>(PackedWeight<Operand, transposed>{memory, matrix});
}

}  // namespace detail

// Calls fn with a zero of the type that products sum in and one of the type that they read.
template <class Fn>
void dispatch_operand(DType type, DType compute, Fn&& fn) {
  if (compute == DType::bfloat16) {
    fn(float{}, BFloat16{});
  } else if (type == DType::float32) {
    fn(float{}, float{});
  } else {
    fn(double{}, double{});
  }
}

// Operand: what the product reads; bfloat16 rounds a float32 weight. transposed: A W^T. bias [columns of C] or null.
template <class Operand, bool transposed, class T>
void weight_product(const kernels::Matrix<const Operand>& a, const Tensor& weight, const kernels::Matrix<T>& c,
                    const T* bias, const kernels::ProductOptions& options) {
  if constexpr (std::is_same_v<Operand, double>) {
    kernels::product(a, as_operand<double>(with_even_rows(weight), transposed), c, bias, options);
  } else {
    const auto packed = derived<detail::PackedWeight<Operand, transposed>>(weight, [&] {
      if constexpr (std::is_same_v<Operand, BFloat16>) {
        if (weight.dtype() == DType::bfloat16) {
          return detail::pack<Operand, BFloat16, transposed>(weight);
        }
      }
      return detail::pack<Operand, float, transposed>(weight);
    });
    kernels::product(a, packed->matrix, c, bias, options);
  }
}

}  // namespace attune
