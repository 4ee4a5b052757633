// Rows of one head, float32, and matrices of them that a thread keeps for itself. Internal to mechanisms that work on a
// stretch of tokens at a time.
#pragma once

#include <algorithm>
#include <cstdint>

#include "attune/attention/feature_rows_cpu.h"
#include "attune/kernels/product.h"
#include "attune/tensor/tensor.h"

namespace attune::attention {

// Rows [begin, begin + count) of one head of a tensor [rows, heads, columns].
inline Given rows_of(const Tensor& x, int head, int64_t begin, int64_t count) {
  return {x.pointer<float>() + begin * x.stride(0) + head * x.stride(1), count, x.size(2), x.stride(0)};
}
inline Written rows_of(Tensor& x, int head, int64_t begin, int64_t count) {
  return {x.pointer<float>() + begin * x.stride(0) + head * x.stride(1), count, x.size(2), x.stride(0)};
}

class Buffer {
 public:
  Buffer(int64_t rows, int64_t columns)
      : columns_(columns), memory_(Tensor::empty({rows * columns})), data_(memory_.pointer<float>()) {}
  Written rows(int64_t count) const { return {data_, count, columns_, columns_}; }
  float* data() const { return data_; }

 private:
  int64_t columns_;
  Tensor memory_;
  float* data_;
};

inline void transpose(const Given& from, float* to) {
  constexpr int64_t block = 16;  // of columns: what is written stays in the cache
  for (int64_t c0 = 0; c0 < from.columns; c0 += block) {
    for (int64_t r = 0; r < from.count; ++r) {
      for (int64_t c = c0; c < std::min(from.columns, c0 + block); ++c) to[c * from.count + r] = from[r][c];
    }
  }
}

inline bool all_finite(const Given& x) {
  bool finite = true;
  for (int64_t r = 0; r < x.count; ++r) finite = finite && cpu::all_finite(x[r], x.columns);
  return finite;
}

}  // namespace attune::attention
