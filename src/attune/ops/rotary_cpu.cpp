#include "attune/ops/rotary_cpu.h"

#include <algorithm>

#include "attune/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/ops/rotary_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "attune/ops/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::ScalableTag<float>;

HWY_INLINE void turn_vector(const float* x, hn::Vec<Floats> other, const float* own, const float* others, float turn,
                            float* to, size_t count) {
  const Floats d;
  const auto across = hn::Mul(hn::Mul(other, load(d, others, count)), hn::Set(d, turn));
  store(hn::MulAdd(load(d, x, count), load(d, own, count), across), d, to, count);
}

// The other ones of the pairs from x[i] on, which are neighbours.
HWY_INLINE hn::Vec<Floats> neighbours(const float* x, size_t i, size_t depth) {
  const Floats d;
#if HWY_TARGET == HWY_SCALAR
  (void)depth;
  return hn::Set(d, x[i ^ 1]);
#else
  return hn::Shuffle2301(load(d, x + i, depth - i));
#endif
}

// One head: `depth` numbers, their own factors and those of the pairs' others.
void turn_interleaved(const float* HWY_RESTRICT x, const float* own, const float* others, float turn,
                      float* HWY_RESTRICT to, size_t depth) {
  const Floats d;
  for (size_t i = 0; i < depth; i += hn::Lanes(d)) {
    turn_vector(x + i, neighbours(x, i, depth), own + i, others + i, turn, to + i, depth - i);
  }
}

void turn_halves(const float* HWY_RESTRICT x, const float* own, const float* others, float turn, float* HWY_RESTRICT to,
                 size_t depth) {
  const Floats d;
  const size_t half = depth / 2;
  for (size_t i = 0; i < half; i += hn::Lanes(d)) {
    const size_t j = half + i, count = half - i;
    turn_vector(x + i, load(d, x + j, count), own + i, others + i, turn, to + i, count);
    turn_vector(x + j, load(d, x + i, count), own + j, others + j, turn, to + j, count);
  }
}

void turn_rows(const Rotation& r, int64_t begin, int64_t end, const float* x, const int32_t* positions,
               const float* table, float* to) {
  const auto turn_head = r.pairs == RotaryPairs::halves ? turn_halves : turn_interleaved;
  for (int64_t row = begin; row < end; ++row) {
    const float* own = table + positions[row] * 2 * r.depth;
    for (int64_t head = 0; head < r.heads; ++head) {
      turn_head(x + row * r.row_stride + head * r.head_stride, own, own + r.depth, r.turn,
                to + (row * r.heads + head) * r.depth, static_cast<size_t>(r.depth));
    }
  }
}

}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {
HWY_EXPORT(turn_rows);

void rotary(const Rotation& rotation, const float* x, const int32_t* positions, const float* table, float* to) {
  const int64_t grain = std::max<int64_t>(1, 32768 / (rotation.heads * rotation.depth + 1));
  parallel_for(rotation.rows, grain, [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(turn_rows)(rotation, begin, end, x, positions, table, to);
  });
}

}  // namespace attune::cpu
#endif
