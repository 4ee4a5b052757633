#include "attune/kernels/product.h"

#include <algorithm>
#include <type_traits>

#include "attune/base/parallel.h"
#include "attune/kernels/onednn.h"
#include "attune/kernels/product_common.h"

namespace attune::kernels {

namespace {

// Long sums are cut in the same way and added up in order.
constexpr int64_t sum_block = 1024;

// One operand's part: `begin` rows (of the used, possibly transposed form) further on.
template <class T>
T* advance(const Matrix<T>& x, int64_t row, int64_t column) {
  return x.data + (x.transposed ? column * x.stride + row : row * x.stride + column);
}

// ---- oneDNN ---------------------------------------------------------------------------------------------------------

template <class T>
void onednn_product(const Matrix<const T>& a, const Matrix<const T>& b, const Matrix<float>& c, const float* bias,
                    bool accumulate) {
  const int64_t k = used_columns(a);
  const int types = (a.transposed ? onednn::transpose_a : 0) | (b.transposed ? onednn::transpose_b : 0) |
                    (std::is_same_v<T, BFloat16> ? onednn::bfloat : 0);
  for (int64_t row = 0; row < c.rows;) {
    const int64_t rows = a.transposed ? c.rows : onednn::next_block(c.rows - row, onednn::row_block);
    for (int64_t sum = 0; sum < k;) {
      // Sums as long as a layer is wide are left whole; only sums over tokens (a transposed) are cut.
      const int64_t depth = a.transposed ? onednn::next_block(k - sum, sum_block) : k;
      const bool add = accumulate || sum > 0;
      const float* added = sum == 0 ? bias : nullptr;
      const int flags = types | (add ? onednn::sums : 0) | (added != nullptr ? onednn::with_bias : 0);
      onednn::multiply({rows, c.columns, depth, a.stride, b.stride, c.stride, flags}, advance(a, row, sum),
                       advance(b, sum, 0), c.data + row * c.stride, added);
      sum += depth;
    }
    row += rows;
  }
}

// ---- the plain loop -------------------------------------------------------------------------------------------------

template <class T>
void plain_rows(const Matrix<const T>& a, const Matrix<const T>& b, const Matrix<T>& c, int64_t begin, int64_t end) {
  const int64_t k = used_columns(a);
  constexpr int64_t block = 64;
  for (int64_t k0 = 0; k0 < k; k0 += block) {
    const int64_t k1 = std::min(k, k0 + block);
    for (int64_t i = begin; i < end; ++i) {
      T* row = c.data + i * c.stride;
      for (int64_t p = k0; p < k1; ++p) {
        const T factor = *advance(a, i, p);
        const T* other = advance(b, p, 0);
        const int64_t step = b.transposed ? b.stride : 1;
        for (int64_t j = 0; j < c.columns; ++j) {
          row[j] += factor * other[j * step];
        }
      }
    }
  }
}

template <class T>
void narrow_product(const Matrix<const T>& a, const Matrix<const T>& b, const Matrix<float>& c, const float* bias,
                    const ProductOptions& options) {
  check_product(a, {used_rows(b), used_columns(b)}, c, bias, options);
  const ProfileScope scope("product");
  count_product(a, c, options);
  if (!is_trivial(a, c, bias, options)) {
    onednn_product<T>(a, b, c, bias, options.accumulate);
  }
}

}  // namespace

void product(Matrix<const float> a, Matrix<const float> b, Matrix<float> c, const float* bias,
             const ProductOptions& options) {
  narrow_product(a, b, c, bias, options);
}

void product(Matrix<const BFloat16> a, Matrix<const BFloat16> b, Matrix<float> c, const float* bias,
             const ProductOptions& options) {
  narrow_product(a, b, c, bias, options);
}

void product(Matrix<const double> a, Matrix<const double> b, Matrix<double> c, const double* bias,
             const ProductOptions& options) {
  check_product(a, {used_rows(b), used_columns(b)}, c, bias, options);
  const ProfileScope scope("product");
  count_product(a, c, options);
  if (!options.accumulate) {
    fill_bias(c, bias);
  }
  parallel_for(c.rows, std::max<int64_t>(1, 20000 / std::max<int64_t>(1, c.columns)),
               [&](int64_t begin, int64_t end) { plain_rows(a, b, c, begin, end); });
}

std::string product_library() {
  return onednn::version();
}

}  // namespace attune::kernels
