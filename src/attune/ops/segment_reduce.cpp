#include "attune/ops/segment_reduce.h"

#include <algorithm>

#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/ops/row_layout.h"

namespace attune {

namespace {

enum class Reduce { sum, mean };

double factor_of(Reduce kind, int length) {
  return kind == Reduce::mean && length > 0 ? 1.0 / length : 1.0;
}

template <class T>
Tensor reduced(const Tensor& x, const Segments& segments, Reduce kind) {
  const int64_t width = x.columns(), stride = row_stride(x);
  Tensor y = Tensor::zeros({segments.count(), width}, x.dtype());
  parallel_for(segments.count(), std::max<int64_t>(1, 32768 / (width * segments.longest() + 1)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int length = segments.length(static_cast<int>(i));
                   const T* from = x.pointer<T>() + segments.begin(static_cast<int>(i)) * stride;
                   T* row = y.pointer<T>() + i * width;
                   for (int r = 0; r < length; ++r, from += stride) {
                     std::transform(row, row + width, from, row, std::plus<T>());
                   }
                   const T factor = static_cast<T>(factor_of(kind, length));
                   std::transform(row, row + width, row, [&](T value) { return value * factor; });
                 }
               });
  return y;
}

// Every row of a sequence gets the sequence's dy (over its length for a mean); rows of no sequence get zeros.
template <class T>
Tensor spread(const Tensor& dy, const Segments& segments, Reduce kind) {
  const int64_t width = dy.columns();
  Tensor dx = segments.packed() ? Tensor::empty({segments.rows(), width}, dy.dtype())
                                : Tensor::zeros({segments.rows(), width}, dy.dtype());
  parallel_for(segments.count(), std::max<int64_t>(1, 32768 / (width * segments.longest() + 1)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int length = segments.length(static_cast<int>(i));
                   const T factor = static_cast<T>(factor_of(kind, length));
                   const T* row = dy.pointer<T>() + i * width;
                   T* to = dx.pointer<T>() + segments.begin(static_cast<int>(i)) * width;
                   for (int r = 0; r < length; ++r, to += width) {
                     std::transform(row, row + width, to, [&](T value) { return value * factor; });
                   }
                 }
               });
  return dx;
}

Tensor segment_reduce(const char* op, const Tensor& x, const Segments& segments, Reduce kind) {
  const ProfileScope scope(op);
  scope.count(0, x.bytes());
  check(x.rank() == 2 && x.size(0) == segments.rows(), op, ": x ", x.shape(), " must be [", segments.rows(),
        ", width] to fit the segments");
  check(segments.disjoint() || !recording({&x}), op, ": the backward needs disjoint segments");
  return dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    return differentiable(
        op, reduced<T>(with_even_rows(x), segments, kind), {x},
        [segments, kind](const Tensor& dy, Adjoints& into) { into.add(0, spread<T>(dy.compact(), segments, kind)); });
  });
}

}  // namespace

Tensor segment_sum(const Tensor& x, const Segments& segments) {
  return segment_reduce("segment_sum", x, segments, Reduce::sum);
}

Tensor segment_mean(const Tensor& x, const Segments& segments) {
  return segment_reduce("segment_mean", x, segments, Reduce::mean);
}

}  // namespace attune
