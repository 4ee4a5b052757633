// Packing of blocks for the products of the fused attention: rows padded to whole vectors, and rows turned into
// columns. bfloat16 widens to float32 on the way.

#if defined(ATTUNE_ATTENTION_SCALED_DOT_PACK_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_ATTENTION_SCALED_DOT_PACK_INL_H
#undef ATTUNE_ATTENTION_SCALED_DOT_PACK_INL_H
#else
#define ATTUNE_ATTENTION_SCALED_DOT_PACK_INL_H
#endif

#include <hwy/highway.h>

#include "attune/attention/scaled_dot_product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::cpu::HWY_NAMESPACE {

template <class D>
HWY_INLINE hn::Vec<D> load_floats(D d, const float* from) {
  return hn::LoadU(d, from);
}
template <class D>
HWY_INLINE hn::Vec<D> load_floats(D d, const BFloat16* from) {
  const hn::Rebind<uint16_t, D> d16;
  const hn::Rebind<uint32_t, D> d32;
  const auto bits = hn::LoadU(d16, reinterpret_cast<const uint16_t*>(from));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(d32, bits)));
}

// to[r, 0 ... columns-1] = from[r, :], the rest of the row's whole vectors 0.
template <class T>
void pack_rows(const T* from, int64_t from_row, int rows, int columns, float* to, int to_row) {
  const Floats d;
  for (int r = 0; r < rows; ++r, from += from_row, to += to_row) {
    int c = 0;
    for (; c + lanes <= columns; c += lanes) hn::StoreU(load_floats(d, from + c), d, to + c);
    for (; c < columns; ++c) to[c] = static_cast<float>(from[c]);
    for (; c < to_row; ++c) to[c] = 0.0f;
  }
}

#if HWY_TARGET != HWY_SCALAR
// Blocks of 4 columns, to rows of `to` 4 block_keys apart.
template <class D>
HWY_INLINE void store_blocks(D d, hn::Vec<D> v, float* to) {
  if constexpr (hn::MaxLanes(d) == 4) {
    hn::StoreU(v, d, to);
  } else {
    const hn::Half<D> half;
    store_blocks(half, hn::LowerHalf(half, v), to);
    store_blocks(half, hn::UpperHalf(half, v), to + hn::MaxLanes(d) / 2 * block_keys);
  }
}

// One vector of columns, 4 rows at a time: 4 x 4 within each 128-bit block.
template <class D, class T>
HWY_INLINE void pack_columns_across(D d, const T* from, int64_t from_row, int rows, float* to) {
  const hn::Repartition<double, D> pairs;
  const auto zero = hn::Zero(d);
  for (int r = 0; r < rows; r += 4, from += 4 * from_row, to += 4) {
    const auto a = load_floats(d, from);
    const auto b = r + 1 < rows ? load_floats(d, from + from_row) : zero;
    const auto e = r + 2 < rows ? load_floats(d, from + 2 * from_row) : zero;
    const auto f = r + 3 < rows ? load_floats(d, from + 3 * from_row) : zero;
    const auto ab_low = hn::BitCast(pairs, hn::InterleaveLower(d, a, b));
    const auto ab_high = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b));
    const auto ef_low = hn::BitCast(pairs, hn::InterleaveLower(d, e, f));
    const auto ef_high = hn::BitCast(pairs, hn::InterleaveUpper(d, e, f));
    store_blocks(d, hn::BitCast(d, hn::InterleaveLower(pairs, ab_low, ef_low)), to);
    store_blocks(d, hn::BitCast(d, hn::InterleaveUpper(pairs, ab_low, ef_low)), to + block_keys);
    store_blocks(d, hn::BitCast(d, hn::InterleaveLower(pairs, ab_high, ef_high)), to + 2 * block_keys);
    store_blocks(d, hn::BitCast(d, hn::InterleaveUpper(pairs, ab_high, ef_high)), to + 3 * block_keys);
  }
}
#endif

// to[c, r] = from[r, c] for the rows of one block of keys, missing ones 0 up to a multiple of 4. Columns that
// the products read beyond that are left as they are: what they give is hidden.
template <class T>
void pack_across(const T* from, int64_t from_row, int rows, int columns, float* to) {
  int done = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; done + lanes <= columns; done += lanes) {
    pack_columns_across(Floats(), from + done, from_row, rows, to + done * block_keys);
  }
  for (; done + 4 <= columns; done += 4) {
    pack_columns_across(hn::FixedTag<float, 4>(), from + done, from_row, rows, to + done * block_keys);
  }
#endif
  for (int c = done; c < columns; ++c) {
    for (int r = 0; r < rows; ++r) to[c * block_keys + r] = static_cast<float>(from[r * from_row + c]);
  }
}

// Whether no element is NaN or infinite: 0 times anything else is 0.
inline bool all_finite(const float* x, int64_t row, int rows, int columns) {
  const Floats d;
  Vector sum = hn::Zero(d);
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; c += lanes) sum = hn::MulAdd(hn::LoadU(d, x + r * row + c), hn::Zero(d), sum);
  }
  return hn::GetLane(hn::SumOfLanes(d, sum)) == 0.0f;
}

}  // namespace attune::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
