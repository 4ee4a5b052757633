// Packing of blocks for the products of the fused attention: rows padded to whole vectors, and rows turned into
// columns; or, for few queries, scores straight from the keys' rows. bfloat16 widens to float32 on the way.

#if defined(ATTUNE_ATTENTION_SCALED_DOT_PACK_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_ATTENTION_SCALED_DOT_PACK_INL_H
#undef ATTUNE_ATTENTION_SCALED_DOT_PACK_INL_H
#else
#define ATTUNE_ATTENTION_SCALED_DOT_PACK_INL_H
#endif

#include <hwy/highway.h>

#include "attune/attention/scaled_dot_product-inl.h"
#include "attune/kernels/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::cpu::HWY_NAMESPACE {

using attune::kernels::HWY_NAMESPACE::four_columns;
using attune::kernels::HWY_NAMESPACE::load_floats;

// to[r, 0 ... columns-1] = from[r, :], the rest of the row's whole vectors 0.
template <class T>
void pack_rows(const PlacedRows<T>& rows, int count, int columns, float* to, int to_row) {
  constexpr int ahead = 8;  // no hardware foresees where rows in an order lie
  const Floats d;
  for (int r = 0; r < count; ++r, to += to_row) {
    const T* const from = rows.at(r);
    if (rows.order != nullptr && r + ahead < count) {
      for (int c = 0; c < columns; c += 64 / static_cast<int>(sizeof(T))) __builtin_prefetch(rows.at(r + ahead) + c);
    }
    int c = 0;
    for (; c + lanes <= columns; c += lanes) hn::StoreU(load_floats(d, from + c), d, to + c);
    for (; c < columns; ++c) to[c] = static_cast<float>(from[c]);
    for (; c < to_row; ++c) to[c] = 0.0f;
  }
}

// One vector of rows; `last` is a constant where all are there.
template <class T>
HWY_INLINE void pack_vector_across(const T* from, int64_t from_row, int last, int columns, float* to) {
  const Floats d;
  Vector c0, c1, c2, c3;
  for (int c = 0; c + 4 <= columns; c += 4, from += 4, to += 4 * block_keys) {
    four_columns(d, from, from_row, last, c0, c1, c2, c3);
    hn::StoreU(c0, d, to);
    hn::StoreU(c1, d, to + block_keys);
    hn::StoreU(c2, d, to + 2 * block_keys);
    hn::StoreU(c3, d, to + 3 * block_keys);
  }
}

// The rows that come after those at work, stretch by stretch, a few at a time.
class Upcoming {
 public:
  template <class T>
  void add(const Strided<T>& x, int64_t begin, int rows, int head, int heads, int depth) {
    if (rows <= 0) return;
    const auto size = static_cast<int64_t>(sizeof(T));
    stretches_[count_++] = {reinterpret_cast<const char*>(x.at(begin, head)), x.row * size,
                            static_cast<int>(((heads - 1) * x.head + depth) * size), rows};
  }
  // Those to ask for in a product of so many steps.
  Lines take(int steps) {
    if (now_ == count_) return {};
    Stretch& stretch = stretches_[now_];
    const Lines lines{stretch.at, stretch.row, stretch.width};
    const int rows = std::max(1, steps / Lines::steps * Lines::bytes / stretch.width);
    stretch.at += rows * stretch.row;
    stretch.rows -= rows;
    if (stretch.rows <= 0) ++now_;
    return lines;
  }

 private:
  struct Stretch {
    const char* at;
    int64_t row;
    int width, rows;
  };
  Stretch stretches_[3] = {};  // queries, keys, values
  int count_ = 0, now_ = 0;
};

// Asks for keys of all heads in the order in which they lie, while others are worked on: a few lines at a time, as a
// processor drops prefetches when too many wait.
template <class T>
class Ahead {
 public:
  Ahead(const Strided<T>& keys, int heads, int depth) : keys_(keys), heads_(heads), depth_(depth) {}
  void set(int64_t begin, int64_t end) {
    row_ = begin;
    end_ = end;
    head_ = 0;
  }
  void step() {  // one key of one head
    if (row_ >= end_) return;
    const T* const key = keys_.at(row_, head_);
    for (int c = 0; c < depth_; c += 64 / static_cast<int>(sizeof(T))) __builtin_prefetch(key + c);
    if (++head_ == heads_) {
      head_ = 0;
      ++row_;
    }
  }

 private:
  Strided<T> keys_;
  int heads_, depth_, head_ = 0;
  int64_t row_ = 0, end_ = 0;
};

// c[r, :] = scale sum over k < depth of a[r, k] keys[:, k] for kRows queries and one vector of keys, which are read
// once and where they are. The chain of tile(); depth is a multiple of 4. Steps `ahead` once a key.
template <class Step, class T, int... R>
HWY_INLINE void score_vector_of(std::integer_sequence<int, R...>, Left a, const T* keys, int64_t keys_row, int depth,
                                float scale, float* c, Ahead<T>& ahead) {
  const Floats d;
  int due = 0;
  Vector sum[] = {(static_cast<void>(R), hn::Zero(d))...};
  Vector c0, c1, c2, c3;
  const float* left = a.data;
  for (int k = 0; k < depth; k += 4, keys += 4, left += 4) {
    for (due += 4 * lanes; due >= depth; due -= depth) ahead.step();
    four_columns(d, keys, keys_row, lanes - 1, c0, c1, c2, c3);
    ((sum[R] = Step::step(hn::Set(d, left[R * a.row]), c0, sum[R])), ...);
    ((sum[R] = Step::step(hn::Set(d, left[R * a.row + 1]), c1, sum[R])), ...);
    ((sum[R] = Step::step(hn::Set(d, left[R * a.row + 2]), c2, sum[R])), ...);
    ((sum[R] = Step::step(hn::Set(d, left[R * a.row + 3]), c3, sum[R])), ...);
  }
  (hn::StoreU(hn::Mul(sum[R], hn::Set(d, scale)), d, c + R * block_keys), ...);
}
template <int kRows, class Step, class T>
HWY_NOINLINE void score_vector(Left a, const T* keys, int64_t keys_row, int depth, float scale, float* c,
                               Ahead<T>& ahead) {
  score_vector_of<Step>(std::make_integer_sequence<int, kRows>(), a, keys, keys_row, depth, scale, c, ahead);
}

inline constexpr int most_rows_in_place = 8;  // accumulators, beside columns and what they are made from

template <class Step, class T>
void score_in_place(int rows, Left a, const T* keys, int64_t keys_row, int depth, float scale, float* c,
                    Ahead<T>& ahead) {
  switch (rows) {
    case 1:
      return score_vector<1, Step>(a, keys, keys_row, depth, scale, c, ahead);
    case 2:
      return score_vector<2, Step>(a, keys, keys_row, depth, scale, c, ahead);
    case 3:
      return score_vector<3, Step>(a, keys, keys_row, depth, scale, c, ahead);
    case 4:
      return score_vector<4, Step>(a, keys, keys_row, depth, scale, c, ahead);
    case 5:
      return score_vector<5, Step>(a, keys, keys_row, depth, scale, c, ahead);
    case 6:
      return score_vector<6, Step>(a, keys, keys_row, depth, scale, c, ahead);
    case 7:
      return score_vector<7, Step>(a, keys, keys_row, depth, scale, c, ahead);
    default:
      return score_vector<8, Step>(a, keys, keys_row, depth, scale, c, ahead);
  }
}

// to[c, r] = from[r, c] for the rows of one block of keys. Columns that the products read beyond those hold anything:
// what they give is hidden.
template <class T>
void pack_across(const T* from, int64_t from_row, int rows, int columns, float* to) {
  int r = 0;
  for (; r + lanes <= rows; r += lanes) pack_vector_across(from + r * from_row, from_row, lanes - 1, columns, to + r);
  if (r < rows) pack_vector_across(from + r * from_row, from_row, rows - r - 1, columns, to + r);
  for (int c = columns / 4 * 4; c < columns; ++c) {
    for (int n = 0; n < rows; ++n) to[c * block_keys + n] = static_cast<float>(from[n * from_row + c]);
  }
}

// The same of rows in an order, which go through `copy` [rows, columns as whole vectors].
template <class T>
void pack_across(const PlacedRows<T>& from, int rows, int columns, float* copy, float* to) {
  if (from.order == nullptr) return pack_across(from.data, from.row, rows, columns, to);
  pack_rows(from, rows, columns, copy, round_up(columns, lanes));
  pack_across(copy, round_up(columns, lanes), rows, columns, to);
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
