// Vector loads and stores that end anywhere, and the exponential the kernels of this room share. Compiled once per SIMD
// target (Highway's per-target include guard below, which must be a macro). Body and tail of a loop go through the same
// vector instructions, so an element's bits do not depend on where a range begins or ends.
#if defined(ATTUNE_OPS_VECTOR_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_OPS_VECTOR_INL_H
#undef ATTUNE_OPS_VECTOR_INL_H
#else
#define ATTUNE_OPS_VECTOR_INL_H
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <cstring>

#include "attune/base/dtype.h"
#include "attune/kernels/bfloat16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// p[0 ... count-1], the missing lanes filled from `pad`; count may exceed the lanes.
template <class D>
HWY_INLINE hn::Vec<D> load(D d, const hn::TFromD<D>* p, size_t count, hn::Vec<D> pad) {
  if (HWY_LIKELY(count >= hn::Lanes(d))) {
    return hn::LoadU(d, p);
  }
  HWY_ALIGN hn::TFromD<D> lanes[hn::MaxLanes(d)];
  hn::Store(pad, d, lanes);
  std::memcpy(lanes, p, count * sizeof(hn::TFromD<D>));
  return hn::Load(d, lanes);
}

template <class D>
HWY_INLINE hn::Vec<D> load(D d, const hn::TFromD<D>* p, size_t count) {
  return load(d, p, count, hn::Zero(d));
}

template <class D>
HWY_INLINE void store(hn::Vec<D> v, D d, hn::TFromD<D>* p, size_t count) {
  if (HWY_LIKELY(count >= hn::Lanes(d))) {
    hn::StoreU(v, d, p);
    return;
  }
  HWY_ALIGN hn::TFromD<D> lanes[hn::MaxLanes(d)];
  hn::Store(v, d, lanes);
  std::memcpy(p, lanes, count * sizeof(hn::TFromD<D>));
}

// The same, rounded.
template <class D>
HWY_INLINE void store(hn::Vec<D> v, D d, BFloat16* p, size_t count) {
  const hn::Rebind<uint16_t, D> d16;
  store(kernels::HWY_NAMESPACE::rounded_bits(d, v), d16, reinterpret_cast<uint16_t*>(p), count);
}

// exp(x) for x <= 0 or NaN (which stays NaN; Highway's own turns it into 0).
template <class D, class V>
HWY_INLINE V exp_of_negative(D d, V x) {
  return hn::IfThenElse(hn::Eq(x, x), hn::Exp(d, x), x);
}

template <class D, class V>
HWY_INLINE double sum_of_lanes(D d, V v) {
  return static_cast<double>(hn::GetLane(hn::SumOfLanes(d, v)));
}

}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
