// What all products check, count and settle beforehand, whatever computes them.
#pragma once

#include <algorithm>

#include "attune/base/check.h"
#include "attune/base/profile.h"
#include "attune/kernels/product.h"

namespace attune::kernels {

// Of the matrix as it is used, which its transposed flag may turn.
template <class T>
int64_t used_rows(const Matrix<T>& x) {
  return x.transposed ? x.columns : x.rows;
}
template <class T>
int64_t used_columns(const Matrix<T>& x) {
  return x.transposed ? x.rows : x.columns;
}

struct UsedSizes {
  int64_t rows, columns;
};

// b: of the second operand as it is used.
template <class T, class Sum>
void check_product(const Matrix<const T>& a, const UsedSizes& b, const Matrix<Sum>& c, const Sum* bias,
                   const ProductOptions& options) {
  check(used_rows(a) == c.rows && b.columns == c.columns && used_columns(a) == b.rows, "product: [", used_rows(a), ", ",
        used_columns(a), "] x [", b.rows, ", ", b.columns, "] into [", c.rows, ", ", c.columns, "]");
  check(bias == nullptr || !options.accumulate, "product: a bias cannot be added to a sum that goes on");
}

// C's old values are read when they are added to.
template <class T, class Sum>
void count_product(const Matrix<const T>& a, const Matrix<Sum>& c, const ProductOptions& options) {
  const auto m = static_cast<double>(c.rows), n = static_cast<double>(c.columns);
  const auto k = static_cast<double>(used_columns(a));
  ProfileScope::count(2 * m * n * k, sizeof(T) * (m * k + k * n) + sizeof(Sum) * m * n * (options.accumulate ? 2 : 1));
}

template <class T>
void fill_bias(const Matrix<T>& c, const T* bias) {
  for (int64_t i = 0; i < c.rows; ++i) {
    T* row = c.data + i * c.stride;
    if (bias != nullptr) {
      std::copy_n(bias, c.columns, row);
    } else {
      std::fill_n(row, c.columns, T{0});
    }
  }
}

// What needs no product: an empty result, or a sum over nothing.
template <class T, class Sum>
bool is_trivial(const Matrix<const T>& a, const Matrix<Sum>& c, const Sum* bias, const ProductOptions& options) {
  if (c.rows == 0 || c.columns == 0) {
    return true;
  }
  if (used_columns(a) > 0) {
    return false;
  }
  if (!options.accumulate) {
    fill_bias(c, bias);
  }
  return true;
}

}  // namespace attune::kernels
