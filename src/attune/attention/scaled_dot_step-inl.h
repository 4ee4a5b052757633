// One step of the scores' products: float32 multiplied and added, or pairs of bfloat16 by the processor's dot product
// (AVX512_BF16), which Highway 1.0.3 does not have: products are exact, sums float32, two terms an instruction.

#if defined(ATTUNE_ATTENTION_SCALED_DOT_STEP_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_ATTENTION_SCALED_DOT_STEP_INL_H
#undef ATTUNE_ATTENTION_SCALED_DOT_STEP_INL_H
#else
#define ATTUNE_ATTENTION_SCALED_DOT_STEP_INL_H
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace attune::attention::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::ScalableTag<float>;
using Vector = hn::Vec<Floats>;

// a b + sum
struct MultiplyAdd {
  static HWY_INLINE Vector step(Vector a, Vector b, Vector sum) { return hn::MulAdd(a, b, sum); }
};

#if HWY_TARGET == HWY_AVX3
// a[0] b[0] + a[1] b[1] + sum, where a float's bits are the pair. The instruction is written out: an intrinsic could
// not be inlined where the compiler must not take it for granted.
struct DotPairs {
  static HWY_INLINE Vector step(Vector a, Vector b, Vector sum) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
    return sum;
  }
};
inline bool has_dot_of_pairs() {
  static const bool has = __builtin_cpu_supports("avx512bf16");
  return has;
}
#else
using DotPairs = MultiplyAdd;  // never called
inline bool has_dot_of_pairs() {
  return false;
}
#endif

}  // namespace attune::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
