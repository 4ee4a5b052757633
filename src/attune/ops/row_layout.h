// Tensors as matrices of their last axis' rows, for products and row copies, without copying a strided view when its
// rows lie at one constant distance.
#pragma once

#include "attune/kernels/product.h"
#include "attune/tensor/tensor.h"

namespace attune {

// x itself when its rows lie at a constant distance of at least their length, else a contiguous copy.
Tensor with_even_rows(const Tensor& x);

// The distance of rows, in elements, of a tensor that with_even_rows() gave.
int64_t row_stride(const Tensor& x);

// float32 rows rounded to a contiguous bfloat16 tensor of the same shape (itself when it is bfloat16 already).
Tensor rounded_to_bfloat16(const Tensor& x);

// [rows, columns] of a tensor that with_even_rows() gave, as an operand of a product.
template <class T>
kernels::Matrix<const T> as_operand(const Tensor& x, bool transposed = false) {
  return {x.pointer<T>(), x.rows(), x.columns(), row_stride(x), transposed};
}

// The same of a tensor that is written.
template <class T>
kernels::Matrix<T> as_result(Tensor& x) {
  return {x.pointer<T>(), x.rows(), x.columns(), row_stride(x)};
}

// Copies the rows of `from` (any strides) into rows of the same length at `to`, `to_stride` elements apart; same type.
void copy_rows(const Tensor& from, std::byte* to, int64_t to_stride);

// into[c] (+)= sum over rows of x[row, c], added up in a fixed order: blocks of 256 rows, then the blocks.
struct ColumnSumOptions {
  bool accumulate = false;
};
void column_sums(const Tensor& x, Tensor& into, const ColumnSumOptions& options = {});

}  // namespace attune
