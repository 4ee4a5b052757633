// The row passes of the fused attention, between its products: scores of one query and one block of keys become
// weights, and in the backward weights and gradients of weights become gradients of scores.

#if defined(ATTUNE_ATTENTION_SCALED_DOT_WEIGH_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_ATTENTION_SCALED_DOT_WEIGH_INL_H
#undef ATTUNE_ATTENTION_SCALED_DOT_WEIGH_INL_H
#else
#define ATTUNE_ATTENTION_SCALED_DOT_WEIGH_INL_H
#endif

#include <hwy/highway.h>

#include <limits>
#include <numbers>

#include "attune/attention/scaled_dot_see-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::cpu::HWY_NAMESPACE {

// 2^y for y < 127, given what rounding took from y: 2^floor(y) p(y - floor(y)), p of degree 6 with the least relative
// error that has p(0) = 1: 2e-9, with rounding 1e-7; 0 below 2^-126. NaN stays. (AVX-512 takes fractions and scales in
// one instruction.)
template <class... Lost>
HWY_INLINE Vector exp2(Floats d, Vector y, Lost... lost) {
#if HWY_TARGET == HWY_AVX3
  const Vector r{_mm512_reduce_ps(y.raw, 0x09)};  // y - floor(y), of infinities 0
#else
  const Vector n = hn::Floor(y), r = hn::Sub(y, n);
#endif
  Vector p = hn::Set(d, 0.00021612915f), whole = r;
  p = hn::MulAdd(p, r, hn::Set(d, 0.0012467846f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.0096754516f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.055485282f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.24022931f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.69314706f));
  ((whole = hn::Add(whole, lost)), ...);
  p = hn::MulAdd(p, whole, hn::Set(d, 1.0f));
#if HWY_TARGET == HWY_AVX3
  p = Vector{_mm512_scalef_ps(p.raw, y.raw)};
#else
  const hn::RebindToSigned<Floats> di;
  p = hn::Mul(p, hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127)))));
#endif
  return hn::IfThenZeroElse(hn::Lt(y, hn::Set(d, -126.0f)), p);
}

// e^x for x < 88
HWY_INLINE Vector exp(Floats d, Vector x) {
  const Vector log2e = hn::Set(d, std::numbers::log2e_v<float>), y = hn::Mul(x, log2e);
  return exp2(d, y, hn::MulSub(x, log2e, y));
}

// e^x as a weight: what rounding takes from y is |y| 2^-24 of the weight, which is most where y = -1.4: 3e-8 of the
// largest one.
HWY_INLINE Vector exp_weight(Floats d, Vector x) {
  return exp2(d, hn::Mul(x, hn::Set(d, std::numbers::log2e_v<float>)));
}

// 1 / (1 + e^-x) without overflow: e^-|x| is in (0, 1].
HWY_INLINE Vector sigmoid(Floats d, Vector x) {
  const Vector one = hn::Set(d, 1.0f), e = exp(d, hn::Neg(hn::Abs(x)));
  return hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), hn::Add(one, e));
}

// (1 - e^-2|x|) / (1 + e^-2|x|), and Taylor's terms where that would cancel.
HWY_INLINE Vector tanh(Floats d, Vector x) {
  const Vector one = hn::Set(d, 1.0f), x2 = hn::Mul(x, x);
  const Vector e = exp(d, hn::Mul(hn::Abs(x), hn::Set(d, -2.0f)));
  const Vector large = hn::CopySign(hn::Div(hn::Sub(one, e), hn::Add(one, e)), x);
  Vector p = hn::Set(d, 21844.0f / 6081075.0f);
  p = hn::MulAdd(p, x2, hn::Set(d, -1382.0f / 155925.0f));
  p = hn::MulAdd(p, x2, hn::Set(d, 62.0f / 2835.0f));
  p = hn::MulAdd(p, x2, hn::Set(d, -17.0f / 315.0f));
  p = hn::MulAdd(p, x2, hn::Set(d, 2.0f / 15.0f));
  p = hn::MulAdd(p, x2, hn::Set(d, -1.0f / 3.0f));
  const Vector small = hn::MulAdd(hn::Mul(p, x2), x, x);
  return hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, 0.4f)), small, large);
}

// `weights` of the keys at places j ... j + lanes - 1, 0 where dropped: dropout_bits in vectors.
HWY_INLINE Vector drop(Floats d, Vector weights, const RowDropout& row, uint32_t below, int j) {
  const hn::RebindToUnsigned<Floats> du;
  const hn::RebindToSigned<Floats> di;
  const uint64_t key = row.key;
  const auto index =
      row.order != nullptr ? hn::BitCast(du, hn::LoadU(di, row.order + j)) : hn::Iota(du, static_cast<uint32_t>(j));
  auto x = hn::Add(hn::Mul(index, hn::Set(du, 0x9e3779b9U)), hn::Set(du, static_cast<uint32_t>(key)));
  x = hn::Mul(hn::Xor(x, hn::ShiftRight<16>(x)), hn::Set(du, 0x7feb352dU));
  x = hn::Add(hn::Xor(x, hn::ShiftRight<15>(x)), hn::Set(du, static_cast<uint32_t>(key >> 32)));
  x = hn::Mul(hn::Xor(x, hn::ShiftRight<16>(x)), hn::Set(du, 0x846ca68bU));
  x = hn::Xor(x, hn::ShiftRight<16>(x));
  return hn::IfThenZeroElse(hn::RebindMask(d, hn::Lt(x, hn::Set(du, below))), weights);
}

// The score of one vector of keys, from the product on; `slope` gets 1 - tanh^2 of a softcap.
HWY_INLINE Vector modified(Floats d, const Weighing& w, const Row& row, Vector s, int n, Vector& slope) {
  if (w.cap_in != 0) {
    const Vector t = tanh(d, hn::Mul(s, hn::Set(d, w.cap_in)));
    slope = hn::NegMulAdd(t, t, hn::Set(d, 1.0f));
    s = hn::Mul(t, hn::Set(d, w.cap_out));
  }
  if (row.bias != nullptr) {  // -FLT_MAX is a bias like any other: a sum must not make it -inf
    const Vector lowest = hn::Set(d, std::numeric_limits<float>::lowest());
    s = hn::Add(s, hn::LoadU(d, row.bias + n * lanes));
    s = hn::IfThenElse(hn::Lt(s, lowest), lowest, s);
  }
  return s;
}

// Scores -> modified scores, -inf where hidden.
HWY_INLINE void modify(Floats d, const Weighing& w, const Row& row, float* scores, const Extent& extent) {
  const Vector hidden = hn::Set(d, -std::numeric_limits<float>::infinity());
  Vector slope = hn::Zero(d);
  for (int n = extent.first; n < extent.last; ++n) {
    const Vector s = modified(d, w, row, hn::LoadU(d, scores + n * lanes), n, slope);
    hn::StoreU(hn::IfThenElse(mask_of(d, row.seen, n), s, hidden), d, scores + n * lanes);
  }
}

HWY_INLINE Vector weight_of(Floats d, Normaliser normaliser, Vector s, Vector shift) {
  switch (normaliser) {
    case Normaliser::softmax:
      return exp_weight(d, hn::Sub(s, shift));
    case Normaliser::sigmoid:
      return sigmoid(d, s);
    default:
      return hn::IfThenZeroElse(hn::Lt(s, hn::Zero(d)), s);
  }
}

// What a softmax may grow beyond its shift before it is shifted again: weights up to e^6 cost no precision.
inline constexpr float shift_slack = 6.0f;

// Raises the shift of a row whose largest scores, lane by lane, have outgrown it. Returns what everything before must
// be multiplied by.
HWY_INLINE float raise_shift(Floats d, Vector largest, float& shift) {
  if (hn::AllFalse(d, hn::Gt(largest, hn::Set(d, shift + shift_slack)))) return 1;
  const float risen = hn::GetLane(hn::MaxOfLanes(d, largest));
  const float factor = hn::GetLane(exp(d, hn::Set(d, shift - risen)));
  shift = risen;
  return factor;
}

// Turns the scores of a block into weights without their common factor, 0 where hidden or dropped; adds them to `sums`.
// Returns what everything before must be multiplied by, because `shift` rose.
HWY_INLINE float weigh(const Weighing& w, const Row& row, float* scores, const Extent& extent, float& shift,
                       float* sums) {
  const Floats d;
  const Normaliser normaliser = w.normaliser;
  if (w.modifies() || ~row.seen != 0) modify(d, w, row, scores, extent);
  float factor = 1;
  if (normaliser == Normaliser::softmax) {
    Vector largest = hn::LoadU(d, scores + extent.first * lanes);
    for (int n = extent.first + 1; n < extent.last; ++n) largest = hn::Max(largest, hn::LoadU(d, scores + n * lanes));
    factor = raise_shift(d, largest, shift);
  }
  Vector sum = hn::Mul(hn::LoadU(d, sums), hn::Set(d, factor));
  const Vector shifts = hn::Set(d, shift);
  for (int n = extent.first; n < extent.last; ++n) {
    const Vector p = weight_of(d, normaliser, hn::LoadU(d, scores + n * lanes), shifts);
    sum = hn::Add(sum, p);
    hn::StoreU(w.drop_below != 0 ? drop(d, p, row.dropout, w.drop_below, row.block + n * lanes) : p, d,
               scores + n * lanes);
  }
  hn::StoreU(sum, d, sums);
  return factor;
}

// The same, bit by bit, for a softmax with nothing between product and exp, of a row that sees the first `keys` of a
// block, kVectors vectors of them: without a branch a vector.
template <int kVectors, int... N>
HWY_INLINE float weigh_first_of(std::integer_sequence<int, N...>, int keys, float* HWY_RESTRICT scores, float& shift,
                                float* sums) {
  const Floats d;
  const auto there = hn::FirstN(d, static_cast<size_t>(keys - (kVectors - 1) * lanes));
  const Vector hidden = hn::Set(d, -std::numeric_limits<float>::infinity());
  Vector s[] = {hn::LoadU(d, scores + N * lanes)...};
  s[kVectors - 1] = hn::IfThenElse(there, s[kVectors - 1], hidden);
  Vector largest = s[0];
  ((largest = hn::Max(largest, s[N])), ...);
  const float factor = raise_shift(d, largest, shift);
  const Vector shifts = hn::Set(d, shift);
  const Vector p[] = {exp_weight(d, hn::Sub(s[N], shifts))...};
  Vector sum = hn::Mul(hn::LoadU(d, sums), hn::Set(d, factor));
  ((sum = hn::Add(sum, p[N])), ...);
  (hn::StoreU(p[N], d, scores + N * lanes), ...);
  hn::StoreU(sum, d, sums);
  return factor;
}

// Rows first ... first + count - 1 of `rows`, whose scores lie block_keys apart. Returns whether some factor is not 1.
template <int kVectors>
HWY_NOINLINE bool weigh_first(int keys, const Gathered& rows, int first, int count, float* scores, float* factors) {
  bool rescales = false;
  for (int r = 0; r < count; ++r, scores += block_keys) {
    factors[r] = weigh_first_of<kVectors>(std::make_integer_sequence<int, kVectors>(), keys, scores,
                                          rows.shift(first + r), rows.sums(first + r));
    rescales = rescales || factors[r] != 1;
    rows.visible(first + r) += static_cast<float>(keys);
  }
  return rescales;
}

// Whether weigh_leading() takes so many keys of a block.
inline constexpr bool weighs_leading(int keys) {
  return keys == block_keys || block_vectors == 4;
}
inline bool weigh_leading(int keys, const Gathered& rows, int first, int count, float* scores, float* factors) {
  if constexpr (block_vectors == 4) {
    switch ((keys + lanes - 1) / lanes) {
      case 1:
        return weigh_first<1>(keys, rows, first, count, scores, factors);
      case 2:
        return weigh_first<2>(keys, rows, first, count, scores, factors);
      case 3:
        return weigh_first<3>(keys, rows, first, count, scores, factors);
    }
  }
  return weigh_first<block_vectors>(keys, rows, first, count, scores, factors);
}

// What rebuilds a row's weights, and what the normaliser's Jacobian subtracts: sum_j dP_j P_j less the gradient of
// log-sum-exp; 0 for relu, relu_mean and sigmoid.
struct RowStatistics {
  float shift, factor, subtract;
};

// The backward of a row and block. scores: q . k -> the dropped weights W; grads: dout . v -> ds. Both 0 where hidden.
// dbias, if not null: 64 numbers to which ds before the softcap is added.
HWY_INLINE void weigh_backward(const Weighing& w, const Row& row, const RowStatistics& statistics, float* scores,
                               float* grads, const Extent& extent, float* dbias) {
  const Floats d;
  const Vector shift = hn::Set(d, statistics.shift), factor = hn::Set(d, statistics.factor);
  const Vector r = hn::Set(d, statistics.subtract), inverse = hn::Set(d, w.keep_inverse);
  const bool drops = w.drop_below != 0, modifies = w.modifies(), hides = ~row.seen != 0;
  Vector slope = hn::Set(d, 1.0f);
  for (int n = extent.first; n < extent.last; ++n) {
    Vector s = hn::LoadU(d, scores + n * lanes), dp = hn::LoadU(d, grads + n * lanes), p, ds;
    if (modifies) s = modified(d, w, row, s, n, slope);
    if (drops) dp = drop(d, hn::Mul(dp, inverse), row.dropout, w.drop_below, row.block + n * lanes);
    p = hn::Mul(weight_of(d, w.normaliser, s, shift), factor);
    if (w.normaliser == Normaliser::softmax) {
      ds = hn::Mul(p, hn::Sub(dp, r));
    } else if (w.normaliser == Normaliser::sigmoid) {
      ds = hn::Mul(hn::NegMulAdd(p, p, p), dp);
    } else {
      ds = hn::IfThenZeroElse(hn::Le(s, hn::Zero(d)), hn::Mul(hn::Sub(dp, r), factor));
    }
    if (drops) p = drop(d, hn::Mul(p, inverse), row.dropout, w.drop_below, row.block + n * lanes);
    if (hides) {
      const auto seen = mask_of(d, row.seen, n);
      p = hn::IfThenElseZero(seen, p);
      ds = hn::IfThenElseZero(seen, ds);
    }
    if (dbias != nullptr) hn::StoreU(hn::Add(hn::LoadU(d, dbias + n * lanes), ds), d, dbias + n * lanes);
    hn::StoreU(p, d, scores + n * lanes);
    hn::StoreU(w.cap_in != 0 ? hn::Mul(ds, slope) : ds, d, grads + n * lanes);
  }
}

// sum_j dP_j P_j over a block, from q . k and dout . v.
HWY_INLINE float weighted_sum(const Weighing& w, const Row& row, const RowStatistics& statistics, const float* scores,
                              const float* grads, const Extent& extent) {
  const Floats d;
  const Vector shift = hn::Set(d, statistics.shift), factor = hn::Set(d, statistics.factor);
  Vector sum = hn::Zero(d), slope = sum;
  for (int n = extent.first; n < extent.last; ++n) {
    const Vector s = modified(d, w, row, hn::LoadU(d, scores + n * lanes), n, slope);
    Vector p = hn::Mul(weight_of(d, w.normaliser, s, shift), factor), dp = hn::LoadU(d, grads + n * lanes);
    if (w.drop_below != 0) {
      dp = hn::Mul(dp, hn::Set(d, w.keep_inverse));
      p = drop(d, p, row.dropout, w.drop_below, row.block + n * lanes);
    }
    sum = hn::Add(sum, hn::IfThenElseZero(mask_of(d, row.seen, n), hn::Mul(dp, p)));
  }
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

}  // namespace attune::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
