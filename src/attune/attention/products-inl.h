// Products of two operands that a mechanism has just computed, whose bits do not depend on the number of threads.
#pragma once

#include <optional>

#include "attune/kernels/packed_product.h"
#include "attune/tensor/tensor.h"

namespace attune::attention {

// A second operand in float32, rearranged once for all products with it.
class PackedOperand {
 public:
  void pack(const kernels::Matrix<const float>& b) {
    const int64_t rows = b.transposed ? b.columns : b.rows, columns = b.transposed ? b.rows : b.columns;
    const int64_t elements = Packed::bytes(rows, columns) / static_cast<int64_t>(sizeof(float));
    if (!memory_ || memory_.elements() < elements) memory_ = Tensor::empty({elements});
    packed_.emplace(b, memory_.storage()->data());
  }
  // C (+)= A B
  void multiply(const kernels::Matrix<const float>& a, const kernels::Matrix<float>& c,
                const kernels::ProductOptions& options = {}) const {
    kernels::product(a, *packed_, c, nullptr, options);
  }

 private:
  using Packed = kernels::PackedMatrix<float>;
  Tensor memory_;
  std::optional<Packed> packed_;
};

// C (+)= A B with the same bits for any number of threads. In float32 the packed products give that: the library's own
// divide narrow ones among threads in ways that round differently.
class Products {
 public:
  void operator()(const kernels::Matrix<const float>& a, const kernels::Matrix<const float>& b,
                  const kernels::Matrix<float>& c, const kernels::ProductOptions& options = {}) {
    second_.pack(b);
    second_.multiply(a, c, options);
  }
  void operator()(const kernels::Matrix<const BFloat16>& a, const kernels::Matrix<const BFloat16>& b,
                  const kernels::Matrix<float>& c, const kernels::ProductOptions& options = {}) {
    kernels::product(a, b, c, nullptr, options);
  }

 private:
  PackedOperand second_;
};

}  // namespace attune::attention
