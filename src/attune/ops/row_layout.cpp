#include "attune/ops/row_layout.h"

#include <cstring>

#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/kernels/elementwise.h"

namespace attune {

Tensor with_even_rows(const Tensor& x) {
  if (x.rank() < 2 || x.contiguous()) {
    return x;
  }
  bool even = x.stride(-2) >= x.columns();
  for (int axis = 0; axis + 2 < x.rank(); ++axis) {
    even = even && (x.size(axis) == 1 || x.stride(axis) == x.size(axis + 1) * x.stride(axis + 1));
  }
  return even ? x : x.compact();
}

int64_t row_stride(const Tensor& x) {
  const int64_t least = std::max<int64_t>(1, x.columns());
  return x.rank() < 2 || x.contiguous() || x.rows() <= 1 ? least : x.stride(-2);
}

Tensor rounded_to_bfloat16(const Tensor& x) {
  if (x.dtype() == DType::bfloat16) {
    return x.compact();
  }
  const ProfileScope scope("to_bfloat16");
  Tensor result = Tensor::empty(x.shape(), DType::bfloat16);
  scope.count(0, x.bytes() + result.bytes());
  const auto columns = static_cast<size_t>(x.columns());
  const Tensor even = with_even_rows(x);
  if (even.contiguous()) {
    kernels::to_bfloat16(result.data<BFloat16>(), even.data<float>());
    return result;
  }
  const int64_t stride = row_stride(even);
  parallel_for(x.rows(), std::max<int64_t>(1, 32768 / (x.columns() + 1)), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      kernels::to_bfloat16({result.pointer<BFloat16>() + row * x.columns(), columns},
                           {even.pointer<float>() + row * stride, columns});
    }
  });
  return result;
}

void copy_rows(const Tensor& from, std::byte* to, int64_t to_stride) {
  if (from.elements() == 0) {
    return;
  }
  const Tensor even = with_even_rows(from);
  const int64_t width = bytes_of(even.dtype());
  const std::byte* source = even.storage()->data() + even.offset() * width;
  const int64_t from_bytes = row_stride(even) * width, to_bytes = to_stride * width;
  const int64_t row_bytes = even.columns() * width;
  parallel_for(even.rows(), std::max<int64_t>(1, 131072 / row_bytes), [&](int64_t begin, int64_t end) {
    if (from_bytes == row_bytes && to_bytes == row_bytes) {
      std::memcpy(to + begin * row_bytes, source + begin * row_bytes, static_cast<size_t>((end - begin) * row_bytes));
      return;
    }
    for (int64_t row = begin; row < end; ++row) {
      std::memcpy(to + row * to_bytes, source + row * from_bytes, static_cast<size_t>(row_bytes));
    }
  });
}

}  // namespace attune
