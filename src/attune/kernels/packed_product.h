// Products with a second operand that is used again and again (a layer's weight), C = A B (+ bias) or C += A B, summed
// in float32: B is rearranged once, so that a few rows of A (a decoding step) read it at the speed of the memory it
// lies in and many rows (a training batch) run at the speed of the processor. For the single row of greedy decoding the
// limit is B's bytes, for many rows 2 m n k operations.
//
// float32: every element of C is one chain of fused multiply-adds over k in ascending order, then the bias is added (or
// the chain starts from C's old value): its bits depend on its row of A alone, not on the other rows, the threads or
// the width of the vectors (processors without fused multiply-add round differently). bfloat16: oneDNN's own layout,
// whose products keep a row's bits over all numbers of rows too (measured; packed_product_test.cpp would notice).
#pragma once

#include "attune/kernels/product.h"

namespace attune::kernels {

template <class T>
class PackedMatrix;

template <>
class PackedMatrix<float> {
 public:
  // What a packed B [rows, columns] takes.
  static int64_t bytes(int64_t rows, int64_t columns);

  // Writes a copy of b to memory: bytes() of b as it is used, aligned to 64 bytes, to outlive this object.
  PackedMatrix(const Matrix<const float>& b, std::byte* memory);

  // Of B as it is used.
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }

  // B's columns are kept in panels of 64: [rows][64], zeros behind the last column.
  static constexpr int64_t panel_width = 64;
  int64_t panels() const { return (columns_ + panel_width - 1) / panel_width; }
  // Rows of A that a product takes together, their sums in registers.
  static constexpr int64_t tile_rows = 6;
  const float* panel(int64_t index) const { return data_ + index * rows_ * panel_width; }

 private:
  int64_t rows_, columns_;
  const float* data_;
};

template <>
class PackedMatrix<BFloat16> {
 public:
  static int64_t bytes(int64_t rows, int64_t columns);
  PackedMatrix(const Matrix<const float>& b, std::byte* memory);  // rounds
  PackedMatrix(const Matrix<const BFloat16>& b, std::byte* memory);

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  const std::byte* data() const { return data_; }

 private:
  int64_t rows_, columns_;
  const std::byte* data_;
};

// bias: one value per column of C, or null; not together with accumulate. bfloat16: a is not transposed. Throws when
// the sizes do not fit.
void product(const Matrix<const float>& a, const PackedMatrix<float>& b, const Matrix<float>& c, const float* bias,
             const ProductOptions& options);
void product(const Matrix<const BFloat16>& a, const PackedMatrix<BFloat16>& b, const Matrix<float>& c,
             const float* bias, const ProductOptions& options);

}  // namespace attune::kernels
