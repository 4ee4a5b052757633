// What becomes of rows that have gathered weighted values: beginning, merging those of two spans of keys, finishing.

#if defined(ATTUNE_ATTENTION_SCALED_DOT_GATHER_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_ATTENTION_SCALED_DOT_GATHER_INL_H
#undef ATTUNE_ATTENTION_SCALED_DOT_GATHER_INL_H
#else
#define ATTUNE_ATTENTION_SCALED_DOT_GATHER_INL_H
#endif

#include <hwy/highway.h>

#include <cmath>
#include <limits>

#include <hwy/contrib/math/math-inl.h>
#include "attune/attention/scaled_dot_weigh-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::cpu::HWY_NAMESPACE {

// Nothing gathered yet; out is left to the first product.
inline void start_rows(const Weighing& w, const Gathered& rows, int count) {
  for (int r = 0; r < count; ++r) {
    std::fill_n(rows.sums(r), lanes, 0.0f);
    rows.shift(r) = w.normaliser == Normaliser::softmax ? std::numeric_limits<float>::lowest() : 0.0f;
    rows.visible(r) = 0;
  }
}

// Row r of `earlier` and of `later` together, into `earlier`.
inline void merge_row(const Gathered& earlier, int64_t r, const Gathered& later, int64_t later_r, int values) {
  const Floats d;
  if (later.visible(later_r) == 0) return;
  if (earlier.visible(r) == 0) {  // out may hold anything
    std::copy_n(later.out(later_r), later.row, earlier.out(r));
    return;
  }
  const float shift = std::max(earlier.shift(r), later.shift(later_r));
  const Vector shrink_earlier = exp(d, hn::Set(d, earlier.shift(r) - shift));
  const Vector shrink_later = exp(d, hn::Set(d, later.shift(later_r) - shift));
  const auto merge = [&](float* into, const float* from) {
    hn::StoreU(hn::MulAdd(hn::LoadU(d, from), shrink_later, hn::Mul(hn::LoadU(d, into), shrink_earlier)), d, into);
  };
  for (int c = 0; c < values; c += lanes) merge(earlier.out(r) + c, later.out(later_r) + c);
  merge(earlier.sums(r), later.sums(later_r));
  earlier.shift(r) = shift;
  earlier.visible(r) += later.visible(later_r);
}

// The sums of some rows, at most as many as there are lanes, and their logarithms.
struct Sums {
  Sums(const Gathered& rows, int64_t first, int count) {
    const Floats d;
    for (int r = 0; r < count; ++r) sum[r] = hn::GetLane(hn::SumOfLanes(d, hn::LoadU(d, rows.sums(first + r))));
    std::fill(sum + count, sum + lanes, 1.0f);
    hn::Store(hn::Log(d, hn::Load(d, sum)), d, log);
  }
  alignas(64) float sum[lanes], log[lanes];
};

// A row's results; query and head as the call counts them.
template <class T>
void finish_row(const Weighing& w, const Gathered& rows, int64_t r, float sum, float log, int64_t query, int head,
                const Sizes& sizes, ForwardOut& to) {
  const float visible = rows.visible(r), shift = rows.shift(r);
  const bool empty = visible == 0;
  float factor = 1, log_sum_exp = -std::numeric_limits<float>::infinity();
  if (empty) {
    factor = 0;
  } else if (w.normaliser == Normaliser::softmax) {
    factor = 1 / sum;
    log_sum_exp = shift + log;
  } else if (w.normaliser == Normaliser::relu_mean) {
    factor = 1 / visible;
  } else if (w.normaliser == Normaliser::relu_sum) {
    factor = 1 / (sum + 1e-6f);
  }
  const int64_t at = query * sizes.heads + head;
  if (to.log_sum_exp != nullptr) to.log_sum_exp[at] = log_sum_exp;
  to.statistics[2 * at] = shift;
  to.statistics[2 * at + 1] = factor;
  T* const out = static_cast<T*>(to.out) + at * sizes.value_depth;
  const float* const from = rows.out(r);
  const float scale = factor * w.keep_inverse;
  for (int c = 0; c < sizes.value_depth; ++c) out[c] = T(empty ? 0.0f : from[c] * scale);
}

// The rows of one head of a sequence, gathered in spans.
template <class T>
void merge_parts(const Fused& in, const Weighing& w, const Item& item, ForwardOut& to) {
  const Gathered parts{to.parts, Gathered::floats(in.sizes.value_depth)};
  const int queries = in.queries.length(item.sequence), spans = spans_of(item);
  for (int i = 0; i < queries; ++i) {
    const int64_t first = item.part + i;
    for (int span = 1; span < spans; ++span) {
      merge_row(parts, first, parts, first + int64_t{span} * in.sizes.heads * queries, in.sizes.value_depth);
    }
    const Sums sums(parts, first, 1);
    finish_row<T>(w, parts, first, sums.sum[0], sums.log[0], in.queries.begin(item.sequence) + i, item.head_begin,
                  in.sizes, to);
  }
}

}  // namespace attune::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
