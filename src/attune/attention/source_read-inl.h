// source_read.h in vectors, float32, compiled once per SIMD target. A mechanism gives, for a query i and `count` source
// tokens from `row` on, the first of them at `position`:
//   static void scores(const ReadRows& in, int64_t i, int64_t row, int position, int count, float* s);
//   static void scores_backward(in, i, row, position, count, const float* ds, const ReadRowGradients& into);
// A query is computed alone, in one order, so its bits depend on nothing else; threads own whole sequences.
#if defined(ATTUNE_ATTENTION_SOURCE_READ_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_ATTENTION_SOURCE_READ_INL_H
#undef ATTUNE_ATTENTION_SOURCE_READ_INL_H
#else
#define ATTUNE_ATTENTION_SOURCE_READ_INL_H
#endif

#include <algorithm>
#include <limits>
#include <vector>

#include "attune/attention/source_read_mechanism.h"
#include "attune/ops/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace attune::cpu::HWY_NAMESPACE;  // loads and stores that end anywhere

using Lanes = hn::ScalableTag<float>;
using Vector = hn::Vec<Lanes>;

// sum_c x_c y_c
HWY_INLINE float dot(const float* x, const float* y, size_t count) {
  const Lanes d;
  const size_t lanes = hn::Lanes(d);
  auto even = hn::Zero(d), odd = hn::Zero(d);
  size_t c = 0;
  for (; c + 2 * lanes <= count; c += 2 * lanes) {
    even = hn::MulAdd(hn::LoadU(d, x + c), hn::LoadU(d, y + c), even);
    odd = hn::MulAdd(hn::LoadU(d, x + c + lanes), hn::LoadU(d, y + c + lanes), odd);
  }
  for (; c < count; c += lanes) {
    even = hn::MulAdd(load(d, x + c, count - c), load(d, y + c, count - c), even);
  }
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
}

// s <- softmax(s), in place
HWY_INLINE void softmax_in_place(float* s, size_t count) {
  const Lanes d;
  const size_t lanes = hn::Lanes(d);
  const auto lowest = hn::Set(d, -std::numeric_limits<float>::infinity());
  auto largest = lowest, sum = hn::Zero(d);
  for (size_t j = 0; j < count; j += lanes) largest = hn::Max(largest, load(d, s + j, count - j, lowest));
  const auto shift = hn::MaxOfLanes(d, largest);
  for (size_t j = 0; j < count; j += lanes) {
    const auto e = exp_of_negative(d, hn::Sub(load(d, s + j, count - j, lowest), shift));
    sum = hn::Add(sum, e);
    store(e, d, s + j, count - j);
  }
  const auto inverse = hn::Set(d, static_cast<float>(1 / sum_of_lanes(d, sum)));
  for (size_t j = 0; j < count; j += lanes) store(hn::Mul(load(d, s + j, count - j), inverse), d, s + j, count - j);
}

// w_j = a_j exp(-(j - p)^2 / (2 sigma^2)), j counted from the first visible token, p too
HWY_INLINE void weigh_by_distance(const float* a, float* w, size_t count, float p, float inverse_sigma) {
  const Lanes d;
  for (size_t j = 0; j < count; j += hn::Lanes(d)) {
    const auto away = hn::Mul(hn::Sub(hn::Iota(d, static_cast<float>(j)), hn::Set(d, p)), hn::Set(d, inverse_sigma));
    const auto g = exp_of_negative(d, hn::Mul(hn::Mul(away, away), hn::Set(d, -0.5F)));
    store(hn::Mul(load(d, a + j, count - j), g), d, w + j, count - j);
  }
}

// context = sum_j w_j value_j, `value` being the first visible row: one column of four vectors at a time
HWY_INLINE void mix(const float* w, const float* value, size_t rows, size_t width, float* context) {
  const Lanes d;
  const size_t lanes = hn::Lanes(d);
  size_t c = 0;
  for (; c + 4 * lanes <= width; c += 4 * lanes) {
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    const float* from = value + c;
    for (size_t j = 0; j < rows; ++j, from += width) {
      const auto weight = hn::Set(d, w[j]);
      s0 = hn::MulAdd(weight, hn::LoadU(d, from), s0);
      s1 = hn::MulAdd(weight, hn::LoadU(d, from + lanes), s1);
      s2 = hn::MulAdd(weight, hn::LoadU(d, from + 2 * lanes), s2);
      s3 = hn::MulAdd(weight, hn::LoadU(d, from + 3 * lanes), s3);
    }
    hn::StoreU(s0, d, context + c);
    hn::StoreU(s1, d, context + c + lanes);
    hn::StoreU(s2, d, context + c + 2 * lanes);
    hn::StoreU(s3, d, context + c + 3 * lanes);
  }
  for (; c < width; c += lanes) {
    auto sum = hn::Zero(d);
    for (size_t j = 0; j < rows; ++j) {
      sum = hn::MulAdd(hn::Set(d, w[j]), load(d, value + j * width + c, width - c), sum);
    }
    store(sum, d, context + c, width - c);
  }
}

// to += factor * x
HWY_INLINE void add_scaled(float factor, const float* x, float* to, size_t count) {
  const Lanes d;
  const auto by = hn::Set(d, factor);
  for (size_t c = 0; c < count; c += hn::Lanes(d)) {
    store(hn::MulAdd(by, load(d, x + c, count - c), load(d, to + c, count - c)), d, to + c, count - c);
  }
}

// Where query i's cells of a [queries, longest] matrix begin, and what it sees.
struct RowOfRead {
  RowOfRead(const ReadRows& in, int sequence, int64_t query)
      : i(query),
        p(in.centre != nullptr ? in.centre[query] : 0),
        seen(visible(*in.window, static_cast<double>(p), in.keys->length(sequence))),
        count(seen.end - seen.begin),
        row(in.keys->begin(sequence) + seen.begin),
        cell(query * in.longest + seen.begin) {}
  int64_t i;
  float p;
  Visible seen;
  int count;
  int64_t row, cell;
};

template <class Mechanism>
void read_query(const ReadRows& in, int sequence, int64_t i, const ReadRowResults& out) {
  const RowOfRead at(in, sequence, i);
  if (at.count <= 0) {
    return;
  }
  const auto count = static_cast<size_t>(at.count), width = static_cast<size_t>(in.width);
  float* a = out.aligned + at.cell;
  float* w = out.weights + at.cell;
  Mechanism::scores(in, i, at.row, at.seen.begin, at.count, a);
  softmax_in_place(a, count);
  if (in.window->gaussian) {
    weigh_by_distance(a, w, count, at.p - static_cast<float>(at.seen.begin),
                      2.0F / static_cast<float>(in.window->reach));
  }
  mix(w, in.value + at.row * in.width, count, width, out.context + i * in.width);
}

// scratch [2 * longest]
template <class Mechanism>
void read_query_backward(const ReadRows& in, int sequence, int64_t i, const ReadRowResults& saved,
                         const ReadRowGradients& into, float* scratch) {
  const RowOfRead at(in, sequence, i);
  if (at.count <= 0) {
    return;
  }
  const auto count = static_cast<size_t>(at.count), width = static_cast<size_t>(in.width);
  const float *a = saved.aligned + at.cell, *w = saved.weights + at.cell, *dc = into.dcontext + i * in.width;
  float *ds = scratch, *g = scratch + in.longest;
  const Lanes d;
  for (size_t j = 0; j < count; ++j) {
    const int64_t cell = (at.row + static_cast<int64_t>(j)) * in.width;
    ds[j] = dot(dc, in.value + cell, width);
    add_scaled(w[j], dc, into.value + cell, width);
  }
  if (in.window->gaussian) {  // from dw to da = g dw, with w dw = a dw g on the way
    const float inverse_sigma = 2.0F / static_cast<float>(in.window->reach),
                p = at.p - static_cast<float>(at.seen.begin);
    float slope = 0;
    std::fill_n(g, count, 1.0F);
    weigh_by_distance(g, g, count, p, inverse_sigma);
    for (size_t j = 0; j < count; ++j) {
      slope += w[j] * ds[j] * (static_cast<float>(j) - p);
      ds[j] *= g[j];
    }
    into.centre[i] = slope * inverse_sigma * inverse_sigma;
  }
  const auto mean = hn::Set(d, dot(a, ds, count));
  for (size_t j = 0; j < count; j += hn::Lanes(d)) {
    store(hn::Mul(load(d, a + j, count - j), hn::Sub(load(d, ds + j, count - j), mean)), d, ds + j, count - j);
  }
  Mechanism::scores_backward(in, i, at.row, at.seen.begin, at.count, ds, into);
}

template <class Mechanism>
void read_sequences(const ReadRows& in, int begin, int end, const ReadRowResults& out) {
  for (int s = begin; s < end; ++s) {
    const int64_t first = in.queries->begin(s), last = first + in.queries->length(s);
    for (int64_t i = first; i < last; ++i) read_query<Mechanism>(in, s, i, out);
  }
}

template <class Mechanism>
void read_sequences_backward(const ReadRows& in, int begin, int end, const ReadRowResults& saved,
                             const ReadRowGradients& into) {
  std::vector<float> scratch(static_cast<size_t>(2 * in.longest));
  for (int s = begin; s < end; ++s) {
    const int64_t first = in.queries->begin(s), last = first + in.queries->length(s);
    for (int64_t i = first; i < last; ++i) read_query_backward<Mechanism>(in, s, i, saved, into, scratch.data());
  }
}

}  // namespace attune::attention::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
