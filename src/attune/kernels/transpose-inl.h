// Rows turned into columns, some vectors at a time; bfloat16 widens to float32 on the way.

#if defined(ATTUNE_KERNELS_TRANSPOSE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_KERNELS_TRANSPOSE_INL_H
#undef ATTUNE_KERNELS_TRANSPOSE_INL_H
#else
#define ATTUNE_KERNELS_TRANSPOSE_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include "attune/base/dtype.h"
#include "attune/kernels/bfloat16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE hn::Vec<D> load_floats(D d, const float* from) {
  return hn::LoadU(d, from);
}
template <class D>
HWY_INLINE hn::Vec<D> load_floats(D d, const BFloat16* from) {
  const hn::Rebind<uint16_t, D> d16;
  return widened(d, hn::LoadU(d16, reinterpret_cast<const uint16_t*>(from)));
}

#if HWY_TARGET == HWY_SCALAR
template <class D, class T>
HWY_INLINE void four_columns(D d, const T* from, int64_t, int, hn::Vec<D>& c0, hn::Vec<D>& c1, hn::Vec<D>& c2,
                             hn::Vec<D>& c3) {
  c0 = load_floats(d, from);
  c1 = load_floats(d, from + 1);
  c2 = load_floats(d, from + 2);
  c3 = load_floats(d, from + 3);
}
#else
// Columns 0 ... 3 of every fourth row from `first` on: block b of the vector is row first + 4 b, or `last` if that is
// less.
template <class D, class T>
HWY_INLINE hn::Vec<D> every_fourth_row(D d, const T* from, int64_t from_row, int first, int last) {
  if constexpr (hn::MaxLanes(d) <= 4) {
    return load_floats(d, from + std::min(first, last) * from_row);
  } else {
    const hn::Half<D> half;
    constexpr int rows = static_cast<int>(hn::MaxLanes(half));
    return hn::Combine(d, every_fourth_row(half, from, from_row, first + rows, last),
                       every_fourth_row(half, from, from_row, first, last));
  }
}

// Columns 0 ... 3 of a vector of rows, those beyond `last` like that one.
template <class D, class T>
HWY_INLINE void four_columns(D d, const T* from, int64_t from_row, int last, hn::Vec<D>& c0, hn::Vec<D>& c1,
                             hn::Vec<D>& c2, hn::Vec<D>& c3) {
  const hn::Repartition<double, D> pairs;
  const auto r0 = every_fourth_row(d, from, from_row, 0, last), r1 = every_fourth_row(d, from, from_row, 1, last);
  const auto r2 = every_fourth_row(d, from, from_row, 2, last), r3 = every_fourth_row(d, from, from_row, 3, last);
  const auto low01 = hn::BitCast(pairs, hn::InterleaveLower(d, r0, r1));
  const auto high01 = hn::BitCast(pairs, hn::InterleaveUpper(d, r0, r1));
  const auto low23 = hn::BitCast(pairs, hn::InterleaveLower(d, r2, r3));
  const auto high23 = hn::BitCast(pairs, hn::InterleaveUpper(d, r2, r3));
  c0 = hn::BitCast(d, hn::InterleaveLower(pairs, low01, low23));
  c1 = hn::BitCast(d, hn::InterleaveUpper(pairs, low01, low23));
  c2 = hn::BitCast(d, hn::InterleaveLower(pairs, high01, high23));
  c3 = hn::BitCast(d, hn::InterleaveUpper(pairs, high01, high23));
}
#endif

}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
