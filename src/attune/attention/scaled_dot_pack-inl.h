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

// to[c, r] = from[r, c] for the rows of one block of keys, missing ones 0 up to a multiple of 4. Columns that
// the products read beyond that are left as they are: what they give is hidden.
template <class T>
void pack_across(const T* from, int64_t from_row, int rows, int columns, float* to) {
  int done = 0;  // columns of `from`, in blocks of 4 x 4
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<float, 4> d4;
  const hn::Repartition<double, decltype(d4)> d2;
  const auto zero = hn::Zero(d4);
  for (; done + 4 <= columns; done += 4) {
    float* out = to + done * block_keys;
    for (int r = 0; r < rows; r += 4, out += 4) {
      const T* in = from + r * from_row + done;
      const auto a = load_floats(d4, in);
      const auto b = r + 1 < rows ? load_floats(d4, in + from_row) : zero;
      const auto e = r + 2 < rows ? load_floats(d4, in + 2 * from_row) : zero;
      const auto f = r + 3 < rows ? load_floats(d4, in + 3 * from_row) : zero;
      const auto ab_low = hn::BitCast(d2, hn::InterleaveLower(d4, a, b));
      const auto ab_high = hn::BitCast(d2, hn::InterleaveUpper(d4, a, b));
      const auto ef_low = hn::BitCast(d2, hn::InterleaveLower(d4, e, f));
      const auto ef_high = hn::BitCast(d2, hn::InterleaveUpper(d4, e, f));
      hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, ab_low, ef_low)), d4, out);
      hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, ab_low, ef_low)), d4, out + block_keys);
      hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, ab_high, ef_high)), d4, out + 2 * block_keys);
      hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, ab_high, ef_high)), d4, out + 3 * block_keys);
    }
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
