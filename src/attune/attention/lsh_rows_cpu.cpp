#include "attune/attention/lsh_rows_cpu.h"

#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/attention/lsh_rows_cpu.cpp"
#include <hwy/foreach_target.h>

#include "attune/ops/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace attune::cpu::HWY_NAMESPACE;  // loads and stores that end anywhere

using Lanes = hn::ScalableTag<float>;
using Integers = hn::RebindToSigned<Lanes>;
using Vector = hn::Vec<Lanes>;

// fn(first element, how many from there on) for every vector of a row
template <class Fn>
HWY_INLINE void over_vectors(int64_t count, Fn&& fn) {
  for (int64_t c = 0; c < count; c += static_cast<int64_t>(hn::Lanes(Lanes()))) fn(c, static_cast<size_t>(count - c));
}

HWY_INLINE auto seen(const cpu::LshRow& row, int64_t first, size_t left) {
  const Lanes d;
  const Integers di;
  const auto end = hn::Set(di, row.end), keys = load(di, row.positions + first, left, end);  // none behind the last
  return hn::RebindMask(d, hn::And(hn::Lt(keys, end), hn::Ne(keys, hn::Set(di, row.hidden))));
}

HWY_INLINE Vector divided(const cpu::LshRow& row, int64_t first, size_t left, Vector weights) {
  if (row.others == 0) return weights;
  const Lanes d;
  const Integers di;
  auto count = hn::Set(di, 1);
  for (int64_t r = 0; r < row.others; ++r) {
    const auto chunk = load(di, row.chunks + r * row.distance + first, left);
    const auto shown = hn::Or(hn::Eq(chunk, hn::Set(di, row.own[r])), hn::Eq(chunk, hn::Set(di, row.before[r])));
    count = hn::Sub(count, hn::VecFromMask(di, shown));  // a mask is -1
  }
  return hn::Div(weights, hn::ConvertTo(d, count));
}

float lsh_weigh(const cpu::LshRow& row, float* scores, float& shift) {
  const Lanes d;
  const auto hidden = hn::Set(d, -std::numeric_limits<float>::infinity());
  auto largest = hidden, any = hn::Zero(d), sum = hn::Zero(d);
  over_vectors(row.keys, [&](int64_t c, size_t left) {
    const auto visible = seen(row, c, left);
    largest = hn::Max(largest, hn::IfThenElse(visible, load(d, scores + c, left), hidden));
    any = hn::IfThenElse(visible, hn::Set(d, 1.0F), any);
  });
  if (hn::GetLane(hn::MaxOfLanes(d, any)) == 0) {
    over_vectors(row.keys, [&](int64_t c, size_t left) { store(hn::Zero(d), d, scores + c, left); });
    return 0;
  }
  const float risen = hn::GetLane(hn::MaxOfLanes(d, largest));
  shift = risen > shift ? risen : shift;
  const auto from = hn::Set(d, shift);
  over_vectors(row.keys, [&](int64_t c, size_t left) {
    const auto weights = exp_of_negative(d, hn::Sub(load(d, scores + c, left), from));
    const auto weighed = hn::IfThenElseZero(seen(row, c, left), divided(row, c, left, weights));
    sum = hn::Add(sum, weighed);
    store(weighed, d, scores + c, left);
  });
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

void lsh_weigh_backward(const cpu::LshRow& row, float log_sum, float mean, float* scores, float* gradients) {
  const Lanes d;
  const auto from = hn::Set(d, log_sum), subtract = hn::Set(d, mean);
  over_vectors(row.keys, [&](int64_t c, size_t left) {
    const auto visible = seen(row, c, left);
    // Rounding may leave a weight a little above 1.
    const auto exponent = hn::Sub(load(d, scores + c, left), from);
    const auto weights = divided(row, c, left, exp_of_negative(d, exponent));
    const auto gradient = hn::Mul(weights, hn::Sub(load(d, gradients + c, left), subtract));
    store(hn::IfThenElseZero(visible, weights), d, scores + c, left);
    store(hn::IfThenElseZero(visible, gradient), d, gradients + c, left);
  });
}

void rescale_and_add(float factor, const float* x, float* y, int64_t count) {
  const Lanes d;
  const auto factors = hn::Set(d, factor);
  over_vectors(count, [&](int64_t c, size_t left) {
    store(hn::MulAdd(factors, load(d, y + c, left), load(d, x + c, left)), d, y + c, left);
  });
}

}  // namespace attune::attention::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::attention {
HWY_EXPORT(lsh_weigh);
HWY_EXPORT(lsh_weigh_backward);
HWY_EXPORT(rescale_and_add);

float cpu::lsh_weigh(const LshRow& row, float* scores, float& shift) {
  return HWY_DYNAMIC_DISPATCH(lsh_weigh)(row, scores, shift);
}
void cpu::lsh_weigh_backward(const LshRow& row, float log_sum, float mean, float* scores, float* gradients) {
  HWY_DYNAMIC_DISPATCH(lsh_weigh_backward)(row, log_sum, mean, scores, gradients);
}
void cpu::rescale_and_add(float factor, const float* x, float* y, int64_t count) {
  HWY_DYNAMIC_DISPATCH(rescale_and_add)(factor, x, y, count);
}

}  // namespace attune::attention
#endif
