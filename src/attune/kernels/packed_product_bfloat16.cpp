#include <algorithm>
#include <vector>

#include "attune/base/parallel.h"
#include "attune/kernels/elementwise.h"
#include "attune/kernels/onednn.h"
#include "attune/kernels/packed_product.h"
#include "attune/kernels/product_common.h"

namespace attune::kernels {

namespace {

template <class T>
void pack(const Matrix<const T>& b, std::byte* memory) {
  const ProfileScope scope("pack_weight");
  const int64_t rows = used_rows(b), columns = used_columns(b), size = PackedMatrix<BFloat16>::bytes(rows, columns);
  ProfileScope::count(0, static_cast<double>(rows * columns * int64_t{sizeof(T)} + size));
  if (size > 0) {
    onednn::block({rows, columns, b.stride, b.transposed, std::is_same_v<T, BFloat16>}, b.data, memory);
  }
}

// C += A B for rows of C that lie apart: oneDNN 2.6 has only a plain loop for that. The same bits: one addition.
void add_through_buffer(const Matrix<const BFloat16>& a, const PackedMatrix<BFloat16>& b, const Matrix<float>& c) {
  thread_local std::vector<float> buffer;
  buffer.resize(std::max(buffer.size(), static_cast<size_t>(c.rows * c.columns)));
  product(a, b, {buffer.data(), c.rows, c.columns, c.columns}, nullptr, {});
  const auto columns = static_cast<size_t>(c.columns);
  const float* sums = buffer.data();
  parallel_for(c.rows, std::max<int64_t>(1, 32768 / c.columns), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      add_into<float>({c.data + row * c.stride, columns}, {sums + row * c.columns, columns});
    }
  });
}

}  // namespace

int64_t PackedMatrix<BFloat16>::bytes(int64_t rows, int64_t columns) {
  return rows == 0 || columns == 0 ? 0 : onednn::blocked_bytes(rows, columns);
}

PackedMatrix<BFloat16>::PackedMatrix(const Matrix<const float>& b, std::byte* memory)
    : rows_(used_rows(b)), columns_(used_columns(b)), data_(memory) {
  pack(b, memory);
}

PackedMatrix<BFloat16>::PackedMatrix(const Matrix<const BFloat16>& b, std::byte* memory)
    : rows_(used_rows(b)), columns_(used_columns(b)), data_(memory) {
  pack(b, memory);
}

void product(const Matrix<const BFloat16>& a, const PackedMatrix<BFloat16>& b, const Matrix<float>& c,
             const float* bias, const ProductOptions& options) {
  check_product(a, {b.rows(), b.columns()}, c, bias, options);
  const ProfileScope scope("product");
  count_product(a, c, options);
  if (is_trivial(a, c, bias, options)) {
    return;
  }
  if (options.accumulate && c.rows > 1 && c.stride != c.columns) {
    add_through_buffer(a, b, c);
    return;
  }
  const int flags = onednn::bfloat | onednn::blocked_b | (options.accumulate ? onednn::sums : 0) |
                    (bias != nullptr ? onednn::with_bias : 0);
  for (int64_t row = 0; row < c.rows;) {
    const int64_t rows = onednn::next_block(c.rows - row, onednn::row_block);
    onednn::multiply({rows, c.columns, b.rows(), a.stride, 0, c.stride, flags}, a.data + row * a.stride, b.data(),
                     c.data + row * c.stride, bias);
    row += rows;
  }
}

}  // namespace attune::kernels
