// The small kernels of the fused attention, one copy per instruction set (Highway's per-target include): a register
// tile of a product, transposition, exp, and the row passes between the two products.
//
// Every element of a product is one chain of fused multiply-adds along the depth, in order, whatever tile it falls in;
// every sum over keys runs over lanes counted from the sequence's first key. So a row's bits depend on nothing else.

#if defined(ATTUNE_ATTENTION_SCALED_DOT_TILE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_ATTENTION_SCALED_DOT_TILE_INL_H
#undef ATTUNE_ATTENTION_SCALED_DOT_TILE_INL_H
#else
#define ATTUNE_ATTENTION_SCALED_DOT_TILE_INL_H
#endif

#include <hwy/highway.h>

#include <array>
#include <cmath>
#include <limits>

#include "attune/attention/scaled_dot_items.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::ScalableTag<float>;
using Vector = hn::Vec<Floats>;

inline constexpr int lanes = static_cast<int>(HWY_LANES(float));
inline constexpr int tile_rows = lanes >= 16 ? 6 : 4;     // of the accumulators: 24 of AVX-512's 32 registers,
inline constexpr int tile_vectors = lanes >= 16 ? 4 : 2;  // 8 of 16 elsewhere

// The left operand, element (r, k) at data[r * row + k * depth]: P or its transpose alike.
struct Left {
  const float* data;
  int64_t row, depth;
};
struct Right {  // rows of whole vectors
  const float* data;
  int64_t row;
};

enum class Finish { store, add, scale };  // c = sum, c += sum (a chain that goes on), c[r, :] = scale[r] sum[r, :]

// c[r, :] = sum over k < depth of a[r, k] b[k, :], finished as asked.
template <int kRows, int kVectors, Finish kFinish>
HWY_NOINLINE void tile(Left a, Right b, int depth, float* c, int64_t c_row, const float* scale) {
  const Floats d;
  Vector sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int n = 0; n < kVectors; ++n) {
      sum[r][n] = kFinish == Finish::add ? hn::LoadU(d, c + r * c_row + n * lanes) : hn::Zero(d);
    }
  }
  const float* left = a.data;
  const float* right = b.data;
  for (int k = 0; k < depth; ++k, left += a.depth, right += b.row) {
    Vector values[kVectors];
    for (int n = 0; n < kVectors; ++n) {
      values[n] = hn::LoadU(d, right + n * lanes);
    }
    for (int r = 0; r < kRows; ++r) {
      const Vector factor = hn::Set(d, left[r * a.row]);
      for (int n = 0; n < kVectors; ++n) {
        sum[r][n] = hn::MulAdd(factor, values[n], sum[r][n]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int n = 0; n < kVectors; ++n) {
      if constexpr (kFinish == Finish::scale) sum[r][n] = hn::Mul(sum[r][n], hn::Set(d, scale[r]));
      hn::StoreU(sum[r][n], d, c + r * c_row + n * lanes);
    }
  }
}

template <int kRows, Finish kFinish>
void tiles_of_rows(Left a, Right b, int depth, float* c, int64_t c_row, int vectors, const float* scale) {
  int n = 0;
  for (; n + tile_vectors <= vectors; n += tile_vectors) {
    tile<kRows, tile_vectors, kFinish>(a, {b.data + n * lanes, b.row}, depth, c + n * lanes, c_row, scale);
  }
  if constexpr (tile_vectors == 4) {
    if (n + 2 <= vectors) {
      tile<kRows, 2, kFinish>(a, {b.data + n * lanes, b.row}, depth, c + n * lanes, c_row, scale);
      n += 2;
    }
  }
  if (n < vectors) {
    tile<kRows, 1, kFinish>(a, {b.data + n * lanes, b.row}, depth, c + n * lanes, c_row, scale);
  }
}

// `rows` <= tile_rows rows of a product, `vectors` wide.
template <Finish kFinish>
void multiply(int rows, Left a, Right b, int depth, float* c, int64_t c_row, int vectors,
              const float* scale = nullptr) {
  switch (rows) {
    case 1:
      return tiles_of_rows<1, kFinish>(a, b, depth, c, c_row, vectors, scale);
    case 2:
      return tiles_of_rows<2, kFinish>(a, b, depth, c, c_row, vectors, scale);
    case 3:
      return tiles_of_rows<3, kFinish>(a, b, depth, c, c_row, vectors, scale);
    case 4:
      return tiles_of_rows<4, kFinish>(a, b, depth, c, c_row, vectors, scale);
    default:
      break;
  }
  if constexpr (tile_rows == 6) {
    return rows == 5 ? tiles_of_rows<5, kFinish>(a, b, depth, c, c_row, vectors, scale)
                     : tiles_of_rows<6, kFinish>(a, b, depth, c, c_row, vectors, scale);
  }
}

// to[c, r] = scale from[r, c], rows of `to` filled with zeros up to `padded` columns, a multiple of the vector.
inline void transpose(const float* from, int64_t from_row, int rows, int columns, float scale, float* to,
                      int64_t padded) {
  int done = 0;  // columns of `from`, in blocks of 4 x 4
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<float, 4> d4;
  const hn::Repartition<double, decltype(d4)> d2;
  const auto factor = hn::Set(d4, scale);
  for (; done + 4 <= columns; done += 4) {
    float* out = to + done * padded;
    for (int r = 0; r < static_cast<int>(padded); r += 4, out += 4) {
      const float* in = from + r * from_row + done;
      const auto zero = hn::Zero(d4);
      const auto a = r < rows ? hn::Mul(factor, hn::LoadU(d4, in)) : zero;
      const auto b = r + 1 < rows ? hn::Mul(factor, hn::LoadU(d4, in + from_row)) : zero;
      const auto e = r + 2 < rows ? hn::Mul(factor, hn::LoadU(d4, in + 2 * from_row)) : zero;
      const auto f = r + 3 < rows ? hn::Mul(factor, hn::LoadU(d4, in + 3 * from_row)) : zero;
      const auto ab_low = hn::BitCast(d2, hn::InterleaveLower(d4, a, b));
      const auto ab_high = hn::BitCast(d2, hn::InterleaveUpper(d4, a, b));
      const auto ef_low = hn::BitCast(d2, hn::InterleaveLower(d4, e, f));
      const auto ef_high = hn::BitCast(d2, hn::InterleaveUpper(d4, e, f));
      hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, ab_low, ef_low)), d4, out);
      hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, ab_low, ef_low)), d4, out + padded);
      hn::StoreU(hn::BitCast(d4, hn::InterleaveLower(d2, ab_high, ef_high)), d4, out + 2 * padded);
      hn::StoreU(hn::BitCast(d4, hn::InterleaveUpper(d2, ab_high, ef_high)), d4, out + 3 * padded);
    }
  }
#endif
  for (int c = done; c < columns; ++c) {
    for (int r = 0; r < rows; ++r) to[c * padded + r] = scale * from[r * from_row + c];
    std::fill(to + c * padded + rows, to + (c + 1) * padded, 0.0f);
  }
}

// exp(x) = 2^n e^r with n = round(x / ln 2), |r| <= ln 2 / 2; e^r = 1 + r + r^2 p(r), p interpolated at Chebyshev
// nodes: relative error below 2e-7 for x <= 0, 0 below -87.3; exp(0) = 1 exactly and NaN stays NaN.
HWY_INLINE Vector exponential(Floats d, Vector x) {
  const hn::RebindToSigned<Floats> di;
  const Vector n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504f)));
  Vector r = hn::NegMulAdd(n, hn::Set(d, 0.693145752f), x);  // ln 2 in two parts: the first has zeros at its end
  r = hn::NegMulAdd(n, hn::Set(d, 1.42860682e-6f), r);
  Vector p = hn::Set(d, 0.00139337f);
  p = hn::MulAdd(p, r, hn::Set(d, 0.00836324f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.04166646f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.16666577f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.5f));
  p = hn::MulAdd(hn::Mul(r, r), p, hn::Add(r, hn::Set(d, 1.0f)));
  const auto power = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127))));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.3f)), hn::Mul(p, power));
}

// 1 / (1 + e^-x) without overflow: e^-|x| is in (0, 1].
HWY_INLINE Vector sigmoid(Floats d, Vector x) {
  const Vector one = hn::Set(d, 1.0f), e = exponential(d, hn::Neg(hn::Abs(x)));
  return hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), hn::Add(one, e));
}

// The dropout of one row of weights.
struct RowDropout {
  uint64_t key = 0;
  uint32_t below = 0;  // 0: nothing is dropped
  float inverse = 1;   // 1 / (1 - rate)
};

// `weights` of keys j ... j + lanes - 1, 0 where dropped: dropout_bits in vectors.
HWY_INLINE Vector drop(Floats d, Vector weights, const RowDropout& dropout, int j) {
  const hn::RebindToUnsigned<Floats> du;
  const auto index = hn::Iota(du, static_cast<uint32_t>(j));
  auto x = hn::Add(hn::Mul(index, hn::Set(du, 0x9e3779b9U)), hn::Set(du, static_cast<uint32_t>(dropout.key)));
  x = hn::Mul(hn::Xor(x, hn::ShiftRight<16>(x)), hn::Set(du, 0x7feb352dU));
  x = hn::Add(hn::Xor(x, hn::ShiftRight<15>(x)), hn::Set(du, static_cast<uint32_t>(dropout.key >> 32)));
  x = hn::Mul(hn::Xor(x, hn::ShiftRight<16>(x)), hn::Set(du, 0x846ca68bU));
  x = hn::Xor(x, hn::ShiftRight<16>(x));
  return hn::IfThenZeroElse(hn::RebindMask(d, hn::Lt(x, hn::Set(du, dropout.below))), weights);
}

// The vectors that hold a row's visible keys, and the lanes of the outer two that do not.
struct RowExtent {
  KeyRange keys;
  int first, last;  // vectors first ... last-1
};
inline RowExtent extent_of(KeyRange keys) {
  if (keys.begin == keys.end) return {keys, 0, 0};
  return {keys, keys.begin / lanes, (keys.end + lanes - 1) / lanes};
}

// Overwrites the hidden lanes of a row's first and last vector.
HWY_INLINE void hide(Floats d, float* row, const RowExtent& extent, float value) {
  const Vector hidden = hn::Set(d, value);
  if (const int before = extent.keys.begin - extent.first * lanes; before > 0) {
    float* at = row + extent.first * lanes;
    hn::StoreU(hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(before)), hidden, hn::LoadU(d, at)), d, at);
  }
  if (const int after = extent.keys.end - (extent.last - 1) * lanes; after < lanes) {
    float* at = row + (extent.last - 1) * lanes;
    hn::StoreU(hn::IfThenElse(hn::FirstN(d, static_cast<size_t>(after)), hn::LoadU(d, at), hidden), d, at);
  }
}

// Zeroes what of the vectors begin ... end-1 lies outside the row's own.
HWY_INLINE void clear_outside(Floats d, float* row, const RowExtent& extent, int begin, int end) {
  for (int n = begin; n < extent.first; ++n) hn::StoreU(hn::Zero(d), d, row + n * lanes);
  for (int n = std::max(begin, extent.last); n < end; ++n) hn::StoreU(hn::Zero(d), d, row + n * lanes);
}

// Per row: log-sum-exp, and the two numbers that rebuild P (FusedForward::statistics).
struct RowStatistics {
  float log_sum_exp, shift, factor;
};

// Turns scores into weights without their common factor, dropped ones 0.
HWY_INLINE RowStatistics weigh(Floats d, float* row, const RowExtent& extent, Normaliser normaliser,
                               const RowDropout& dropout) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  hide(d, row, extent, -infinity);
  float shift = 0;
  if (normaliser == Normaliser::softmax) {
    Vector largest = hn::Set(d, -infinity);
    for (int n = extent.first; n < extent.last; ++n) largest = hn::Max(largest, hn::LoadU(d, row + n * lanes));
    shift = hn::GetLane(hn::MaxOfLanes(d, largest));
  }
  Vector sum = hn::Zero(d);
  for (int n = extent.first; n < extent.last; ++n) {
    Vector p = hn::LoadU(d, row + n * lanes);
    if (normaliser == Normaliser::softmax) {
      p = exponential(d, hn::Sub(p, hn::Set(d, shift)));
    } else if (normaliser == Normaliser::sigmoid) {
      p = sigmoid(d, p);
    } else {
      p = hn::IfThenZeroElse(hn::Lt(p, hn::Zero(d)), p);
    }
    sum = hn::Add(sum, p);
    hn::StoreU(dropout.below != 0 ? drop(d, p, dropout, n * lanes) : p, d, row + n * lanes);
  }
  const float total = hn::GetLane(hn::SumOfLanes(d, sum));
  switch (normaliser) {
    case Normaliser::softmax:
      return {shift + std::log(total), shift, 1 / total};
    case Normaliser::relu_sum:
      return {0, 0, 1 / (total + 1e-6f)};
    case Normaliser::relu_mean:
      return {0, 0, 1 / static_cast<float>(extent.keys.end - extent.keys.begin)};
    case Normaliser::relu:
    case Normaliser::sigmoid:
      break;
  }
  return {0, 0, 1};
}

// The backward of a row. scores: s -> the dropped weights W; grads: dout . v_j -> scale ds_j. r: what the normaliser's
// Jacobian subtracts (sum_j dP_j P_j less the gradient of log-sum-exp; 0 for relu, relu_mean).
HWY_INLINE void weigh_backward(Floats d, float* scores, float* grads, const RowExtent& extent, Normaliser normaliser,
                               const RowDropout& dropout, const RowStatistics& statistics, float r, float scale) {
  hide(d, scores, extent, -std::numeric_limits<float>::infinity());
  hide(d, grads, extent, 0.0f);
  const Vector shift = hn::Set(d, statistics.shift), factor = hn::Set(d, statistics.factor);
  const Vector minus_r = hn::Set(d, -r), scales = hn::Set(d, scale), inverse = hn::Set(d, dropout.inverse);
  for (int n = extent.first; n < extent.last; ++n) {
    const Vector s = hn::LoadU(d, scores + n * lanes);
    Vector dp = hn::LoadU(d, grads + n * lanes), p, ds;
    if (dropout.below != 0) dp = drop(d, hn::Mul(dp, inverse), dropout, n * lanes);
    if (normaliser == Normaliser::softmax) {
      p = hn::Mul(exponential(d, hn::Sub(s, shift)), factor);
      ds = hn::Mul(p, hn::Add(dp, minus_r));
    } else if (normaliser == Normaliser::sigmoid) {
      p = sigmoid(d, s);
      ds = hn::Mul(hn::NegMulAdd(p, p, p), dp);
    } else {
      p = hn::Mul(hn::IfThenZeroElse(hn::Lt(s, hn::Zero(d)), s), factor);
      ds = hn::IfThenZeroElse(hn::Le(s, hn::Zero(d)), hn::Mul(hn::Add(dp, minus_r), factor));
    }
    if (dropout.below != 0) p = drop(d, hn::Mul(p, inverse), dropout, n * lanes);
    hn::StoreU(p, d, scores + n * lanes);
    hn::StoreU(hn::Mul(ds, scales), d, grads + n * lanes);
  }
}

// x . y
HWY_INLINE float dot(Floats d, const float* x, const float* y, int count) {
  Vector sum = hn::Zero(d);
  int i = 0;
  for (; i + lanes <= count; i += lanes) sum = hn::MulAdd(hn::LoadU(d, x + i), hn::LoadU(d, y + i), sum);
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; i < count; ++i) total += x[i] * y[i];
  return total;
}

// Whether no element is NaN or infinite: 0 times anything else is 0.
inline bool all_finite(const float* x, int64_t row, int rows, int columns) {
  const Floats d;
  Vector sum = hn::Zero(d);
  float rest = 0;
  for (int r = 0; r < rows; ++r) {
    int c = 0;
    for (; c + lanes <= columns; c += lanes) sum = hn::MulAdd(hn::LoadU(d, x + r * row + c), hn::Zero(d), sum);
    for (; c < columns; ++c) rest += x[r * row + c] * 0.0f;
  }
  return hn::GetLane(hn::SumOfLanes(d, sum)) + rest == 0.0f;
}

// ---- Blocks of queries ----------------------------------------------------------------------------------------------

// Rows padded with zeros to whole vectors: the rows themselves where they are whole vectors.
inline Right whole_vectors(const float* rows, int64_t row, int count, int columns, float* scratch) {
  if (columns % lanes == 0) {
    return {rows, row};
  }
  const int padded = round_up(columns, lanes);
  for (int r = 0; r < count; ++r) {
    std::copy_n(rows + r * row, columns, scratch + int64_t{r} * padded);
    std::fill_n(scratch + int64_t{r} * padded + columns, padded - columns, 0.0f);
  }
  return {scratch, padded};
}

// The queries of one tile and what they see.
struct Block {
  int first, rows;  // in the sequence
  std::array<RowExtent, most_rows> extents;
  bool full;  // every query sees every key

  KeyRange seen(int begin, int end) const {  // by rows begin ... end-1: both ends grow with the row
    return {extents[static_cast<size_t>(begin)].keys.begin, extents[static_cast<size_t>(end - 1)].keys.end};
  }
  // The rows that see some key of begin ... end-1.
  KeyRange seeing(int begin, int end) const {
    if (full) return {0, rows};
    int from = 0, to = rows;
    while (from < rows && extents[static_cast<size_t>(from)].keys.end <= begin) ++from;
    while (to > from && extents[static_cast<size_t>(to - 1)].keys.begin >= end) --to;
    return {from, to};
  }
};

inline void set_block(Block& block, const Mask& mask, int first, int rows, int queries, int keys) {
  block.first = first;
  block.rows = rows;
  block.full = !hides_keys(mask);
  for (int r = 0; r < rows; ++r) {
    block.extents[static_cast<size_t>(r)] = extent_of(visible_keys(mask, first + r, queries, keys));
  }
}

// to[r, keys] = left[r, :] right[:, keys], for the vectors of keys that some row of the same register tile sees.
// Panels of right stay in the first cache while all rows pass by.
inline void key_products(const Block& block, int step, Left left, Right right, int depth, float* to, int64_t to_row,
                         int padded_keys) {
  constexpr int panel = 4;
  for (int begin = 0; begin < padded_keys / lanes; begin += panel) {
    const int end = std::min(begin + panel, padded_keys / lanes);
    for (int r = 0; r < block.rows; r += step) {
      const int rows = std::min(step, block.rows - r);
      const RowExtent seen = extent_of(block.seen(r, r + rows));
      const int first = std::max(begin, seen.first), last = std::min(end, seen.last);
      if (first < last) {
        multiply<Finish::store>(rows, {left.data + r * left.row, left.row, left.depth},
                                {right.data + first * lanes, right.row}, depth, to + r * to_row + first * lanes, to_row,
                                last - first);
      }
    }
  }
}

inline RowDropout row_dropout(const Options& options, int sequence, int head, int i) {
  if (!drops(options.dropout)) return {};
  return {dropout_key(*options.dropout.rng, sequence, head, i), drop_below(options.dropout.rate),
          static_cast<float>(1 / (1 - options.dropout.rate))};
}

}  // namespace attune::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
