// float32 vectors rounded to bfloat16 as BFloat16's constructor does (to nearest even, a NaN stays one), and back.
// Compiled once per SIMD target (Highway's per-target include guard below, which must be a macro).
#if defined(ATTUNE_KERNELS_BFLOAT16_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_KERNELS_BFLOAT16_INL_H
#undef ATTUNE_KERNELS_BFLOAT16_INL_H
#else
#define ATTUNE_KERNELS_BFLOAT16_INL_H
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The bits of as many bfloat16 as `x` has lanes.
template <class D>
HWY_INLINE hn::Vec<hn::Rebind<uint16_t, D>> rounded_bits(D, hn::Vec<D> x) {
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<uint16_t, D> d16;
  const auto full = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(full), hn::Set(du, 1u));
  const auto rounded = hn::Add(hn::Add(full, hn::Set(du, 0x7fffu)), odd);
  const auto quiet = hn::Or(full, hn::Set(du, 0x400000u));
  const auto chosen = hn::IfThenElse(hn::RebindMask(du, hn::Eq(x, x)), rounded, quiet);
  return hn::TruncateTo(d16, hn::ShiftRight<16>(chosen));
}

template <class D>
HWY_INLINE hn::Vec<D> widened(D d, hn::Vec<hn::Rebind<uint16_t, D>> bits) {
  const hn::RebindToUnsigned<D> du;
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, bits)));
}

}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
