// Column sums: each thread owns whole blocks of columns, so the order of the additions is fixed.
#include <algorithm>

#include "attune/base/profile.h"
#include "attune/ops/row_layout.h"
#include "attune/ops/row_layout_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/ops/row_layout_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace attune::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Sums of blocks of 256 rows are added to the total: the rounding error grows with 256 + rows / 256, not with rows.
constexpr int64_t row_block = 256;

// `Vectors` vectors of columns at once, so that every row's cache lines are read whole.
template <int Vectors, class D, class T = hn::TFromD<D>>
void sum_columns(D d, const T* HWY_RESTRICT x, int64_t rows, int64_t stride, T* HWY_RESTRICT into, bool accumulate) {
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  decltype(hn::Zero(d)) total[Vectors], part[Vectors];
  for (int v = 0; v < Vectors; ++v) total[v] = accumulate ? hn::LoadU(d, into + v * lanes) : hn::Zero(d);
  for (int64_t first = 0; first < rows; first += row_block) {
    const int64_t last = std::min(rows, first + row_block);
    for (int v = 0; v < Vectors; ++v) part[v] = hn::Zero(d);
    for (int64_t row = first; row < last; ++row) {
      for (int v = 0; v < Vectors; ++v) part[v] = hn::Add(part[v], hn::LoadU(d, x + row * stride + v * lanes));
    }
    for (int v = 0; v < Vectors; ++v) total[v] = hn::Add(total[v], part[v]);
  }
  for (int v = 0; v < Vectors; ++v) hn::StoreU(total[v], d, into + v * lanes);
}

template <class T>
void column_sums_range(const T* x, int64_t rows, int64_t columns, int64_t stride, T* into, bool accumulate) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> single;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t c = 0;
  for (; c + 4 * lanes <= columns; c += 4 * lanes) sum_columns<4>(d, x + c, rows, stride, into + c, accumulate);
  for (; c + lanes <= columns; c += lanes) sum_columns<1>(d, x + c, rows, stride, into + c, accumulate);
  for (; c < columns; ++c) sum_columns<1>(single, x + c, rows, stride, into + c, accumulate);
}

void column_sums_f32(const float* x, int64_t rows, int64_t columns, int64_t stride, float* into, bool accumulate) {
  column_sums_range(x, rows, columns, stride, into, accumulate);
}
void column_sums_f64(const double* x, int64_t rows, int64_t columns, int64_t stride, double* into, bool accumulate) {
  column_sums_range(x, rows, columns, stride, into, accumulate);
}

}  // namespace attune::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "attune/base/parallel.h"

namespace attune {
HWY_EXPORT(column_sums_f32);
HWY_EXPORT(column_sums_f64);

template <class T>
void cpu::column_sums(const T* x, int64_t rows, int64_t columns, int64_t stride, T* into, bool accumulate) {
  if constexpr (sizeof(T) == 4) {
    HWY_DYNAMIC_DISPATCH(column_sums_f32)(x, rows, columns, stride, into, accumulate);
  } else {
    HWY_DYNAMIC_DISPATCH(column_sums_f64)(x, rows, columns, stride, into, accumulate);
  }
}
template void cpu::column_sums<float>(const float*, int64_t, int64_t, int64_t, float*, bool);
template void cpu::column_sums<double>(const double*, int64_t, int64_t, int64_t, double*, bool);

void column_sums(const Tensor& x, Tensor& into, const ColumnSumOptions& options) {
  const ProfileScope scope("column_sums");
  scope.count(0, x.bytes() + into.bytes());
  check(into.elements() == x.columns() && into.contiguous() && into.dtype() == x.dtype(), "column_sums: ", x.shape(),
        " into ", into.shape());
  const Tensor even = with_even_rows(x);
  const int64_t rows = even.rows(), stride = row_stride(even);
  // Threads get whole blocks of 64 columns: a few cache lines of every row.
  constexpr int64_t block = 64;
  const int64_t blocks = (x.columns() + block - 1) / block;
  dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const T* from = even.pointer<T>();
    T* to = into.pointer<T>();
    parallel_for(blocks, std::max<int64_t>(1, 512 / (rows + 1)), [&](int64_t begin, int64_t end) {
      const int64_t first = begin * block, count = std::min(end * block, x.columns()) - first;
      cpu::column_sums<T>(from + first, rows, count, stride, to + first, options.accumulate);
    });
  });
}

}  // namespace attune
#endif
