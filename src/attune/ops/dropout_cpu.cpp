#include "attune/ops/dropout_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/ops/dropout_cpu.cpp"
#include <hwy/foreach_target.h>

#include "attune/ops/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {

constexpr uint64_t gamma = 0x9e3779b97f4a7c15ULL;

HWY_INLINE uint64_t mixed(uint64_t z) {  // as in base/rng.h
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

// Pair by pair: for double, and where a vector is one element.
template <class T>
void dropout_pairs(const DropoutMask& mask, T* y, const T* x, const T* residual, size_t begin, size_t n) {
  const T scale = static_cast<T>(mask.scale);
  for (size_t i = 0; i < n; i += 2) {
    uint64_t bits = mixed(mask.key + ((begin + i) / 2 + 1) * gamma);
    for (size_t at = i; at < i + 2 && at < n; ++at, bits >>= 32) {
      const T value = static_cast<uint32_t>(bits) < mask.threshold ? T{0} : x[at] * scale;
      y[at] = residual != nullptr ? residual[at] + value : value;
    }
  }
}

#if HWY_TARGET != HWY_SCALAR
template <class V>
HWY_INLINE V mixed_vector(V z) {
  const hn::DFromV<V> d;
  z = hn::Mul(hn::Xor(z, hn::ShiftRight<30>(z)), hn::Set(d, 0xbf58476d1ce4e5b9ULL));
  z = hn::Mul(hn::Xor(z, hn::ShiftRight<27>(z)), hn::Set(d, 0x94d049bb133111ebULL));
  return hn::Xor(z, hn::ShiftRight<31>(z));
}

// The 32-bit halves of a vector of draws lie in the order of the elements they belong to.
void dropout_vectors(const DropoutMask& mask, float* y, const float* x, const float* residual, size_t begin, size_t n) {
  const hn::ScalableTag<float> d;
  const hn::ScalableTag<uint32_t> d32;
  const hn::ScalableTag<uint64_t> d64;
  const auto scale = hn::Set(d, static_cast<float>(mask.scale));
  const auto threshold = hn::Set(d32, mask.threshold);
  HWY_ALIGN uint64_t counters[hn::MaxLanes(d64)];
  for (size_t lane = 0; lane < hn::Lanes(d64); ++lane) counters[lane] = mask.key + (begin / 2 + lane + 1) * gamma;
  auto counter = hn::Load(d64, counters);
  const auto step = hn::Set(d64, static_cast<uint64_t>(hn::Lanes(d64)) * gamma);
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto dropped = hn::Lt(hn::BitCast(d32, mixed_vector(counter)), threshold);
    counter = hn::Add(counter, step);
    auto value = hn::IfThenZeroElse(hn::RebindMask(d, dropped), hn::Mul(load(d, x + i, n - i), scale));
    if (residual != nullptr) value = hn::Add(value, load(d, residual + i, n - i));
    store(value, d, y + i, n - i);
  }
}
#endif

void dropout_f32(const DropoutMask& mask, float* y, const float* x, const float* residual, size_t begin, size_t n) {
#if HWY_TARGET == HWY_SCALAR
  dropout_pairs(mask, y, x, residual, begin, n);
#else
  dropout_vectors(mask, y, x, residual, begin, n);
#endif
}
void dropout_f64(const DropoutMask& mask, double* y, const double* x, const double* residual, size_t begin, size_t n) {
  dropout_pairs(mask, y, x, residual, begin, n);
}

}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "attune/base/parallel.h"

namespace attune::cpu {
HWY_EXPORT(dropout_f32);
HWY_EXPORT(dropout_f64);

template <class T>
void dropout(const DropoutMask& mask, int64_t count, T* y, const T* x, const T* residual) {
  constexpr int64_t block = 4096;  // even: no pair is cut
  parallel_for((count + block - 1) / block, 2, [&](int64_t first, int64_t last) {
    const int64_t begin = first * block;
    const auto n = static_cast<size_t>(std::min(count, last * block) - begin), at = static_cast<size_t>(begin);
    const T* here = residual != nullptr ? residual + begin : nullptr;
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(dropout_f32)(mask, y + begin, x + begin, here, at, n);
    } else {
      HWY_DYNAMIC_DISPATCH(dropout_f64)(mask, y + begin, x + begin, here, at, n);
    }
  });
}
template void dropout<float>(const DropoutMask&, int64_t, float*, const float*, const float*);
template void dropout<double>(const DropoutMask&, int64_t, double*, const double*, const double*);

}  // namespace attune::cpu
#endif
