#include "attune/attention/feature_rows_cpu.h"

#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/attention/feature_rows_cpu.cpp"
#include <hwy/foreach_target.h>

#include "attune/ops/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace attune::cpu::HWY_NAMESPACE;  // loads and stores that end anywhere

using Lanes = hn::ScalableTag<float>;

// fn(first element, how many from there on) for every vector of a row
template <class Fn>
HWY_INLINE void over_vectors(int64_t count, Fn&& fn) {
  for (int64_t c = 0; c < count; c += static_cast<int64_t>(hn::Lanes(Lanes()))) fn(c, static_cast<size_t>(count - c));
}

// Rows of a head lie far apart, where no processor guesses the next one: it is asked for so many rows before.
template <int for_writing, class T>
HWY_INLINE void ask_for(const Rows<T>& rows, int64_t i) {
  constexpr int64_t ahead = 16, line = 64 / sizeof(float);
  for (int64_t c = 0; c < rows.columns; c += line) __builtin_prefetch(rows[i + ahead] + c, for_writing);
}

float sum(const float* x, int64_t count) {
  const Lanes d;
  auto total = hn::Zero(d);
  over_vectors(count, [&](int64_t c, size_t left) { total = hn::Add(total, load(d, x + c, left)); });
  return hn::GetLane(hn::SumOfLanes(d, total));
}

bool all_finite(const float* x, int64_t count) {
  const Lanes d;
  auto zeros = hn::Zero(d);  // but for what comes of infinities and NaN
  over_vectors(count, [&](int64_t c, size_t left) { zeros = hn::MulAdd(hn::Zero(d), load(d, x + c, left), zeros); });
  return hn::GetLane(hn::SumOfLanes(d, zeros)) == 0;
}

float dot(const float* x, const float* y, int64_t count) {
  const Lanes d;
  auto sum = hn::Zero(d);
  over_vectors(count,
               [&](int64_t c, size_t left) { sum = hn::MulAdd(load(d, x + c, left), load(d, y + c, left), sum); });
  return hn::GetLane(hn::SumOfLanes(d, sum));
}

void add_scaled(float a, const float* x, float* y, int64_t count) {
  const Lanes d;
  const auto factor = hn::Set(d, a);
  over_vectors(count, [&](int64_t c, size_t left) {
    store(hn::MulAdd(factor, load(d, x + c, left), load(d, y + c, left)), d, y + c, left);
  });
}

void scale(float a, float* x, int64_t count) {
  const Lanes d;
  const auto factor = hn::Set(d, a);
  over_vectors(count, [&](int64_t c, size_t left) { store(hn::Mul(factor, load(d, x + c, left)), d, x + c, left); });
}

void decay(float* a, const float* s, int64_t count, float shift, float sign) {
  const Lanes d;
  const auto from = hn::Set(d, shift), direction = hn::Set(d, sign);
  over_vectors(count, [&](int64_t c, size_t left) {
    const auto e = exp_of_negative(d, hn::Mul(direction, hn::Sub(load(d, s + c, left, from), from)));
    store(hn::Mul(load(d, a + c, left), e), d, a + c, left);
  });
}

void dot_rows(const Given& x, const Given& y, float* to) {
  for (int64_t i = 0; i < x.count; ++i) {
    if (y.stride > 0) ask_for<0>(y, i);
    to[i] = dot(x[i], y[i], x.columns);
  }
}

void add_outer(const float* a, const float* x, const Written& y) {
  for (int64_t i = 0; i < y.count; ++i) add_scaled(a == nullptr ? 1 : a[i], x, y[i], y.columns);
}

void scale_rows(const float* a, const Given& x, const Written& y) {
  const Lanes d;
  for (int64_t i = 0; i < y.count; ++i) {
    const auto factor = hn::Set(d, a[i]);
    ask_for<0>(x, i);
    over_vectors(y.columns,
                 [&](int64_t c, size_t left) { store(hn::Mul(factor, load(d, x[i] + c, left)), d, y[i] + c, left); });
  }
}

void elu_plus_one(const Given& x, const Written& y) {
  const Lanes d;
  const auto one = hn::Set(d, 1.0F), zero = hn::Zero(d);
  for (int64_t i = 0; i < x.count; ++i) {
    ask_for<0>(x, i);
    over_vectors(x.columns, [&](int64_t c, size_t left) {
      const auto value = load(d, x[i] + c, left);
      const auto below = exp_of_negative(d, hn::IfThenElse(hn::Gt(value, zero), zero, value));
      store(hn::IfThenElse(hn::Gt(value, zero), hn::Add(value, one), below), d, y[i] + c, left);
    });
  }
}

void elu_plus_one_backward(const Given& y, const Given& dy, const Written& dx) {
  const Lanes d;
  const auto one = hn::Set(d, 1.0F);
  for (int64_t i = 0; i < y.count; ++i) {
    ask_for<1>(dx, i);
    over_vectors(y.columns, [&](int64_t c, size_t left) {
      store(hn::Mul(load(d, dy[i] + c, left), hn::Min(load(d, y[i] + c, left), one)), d, dx[i] + c, left);
    });
  }
}

float exponentials(float* p, int64_t count, float scale, float floor) {
  const Lanes d;
  const auto lowest = hn::Set(d, -std::numeric_limits<float>::infinity()), factor = hn::Set(d, scale);
  auto largest = lowest;
  over_vectors(count, [&](int64_t c, size_t left) {
    largest = hn::Max(largest, hn::Mul(load(d, p + c, left, lowest), factor));
  });
  const auto shift = hn::MaxOfLanes(d, largest), least = hn::Set(d, floor);
  over_vectors(count, [&](int64_t c, size_t left) {
    const auto e = exp_of_negative(d, hn::Sub(hn::Mul(load(d, p + c, left), factor), shift));
    store(hn::Add(e, least), d, p + c, left);
  });
  return hn::GetLane(shift);
}

float exponentials_backward(const float* y, float* dy, int64_t count, float scale, float floor) {
  const Lanes d;
  const auto factor = hn::Set(d, scale), least = hn::Set(d, floor);
  auto given = hn::Zero(d), passed = given;
  auto highest = hn::Set(d, y[0]);
  over_vectors(count, [&](int64_t c, size_t left) { highest = hn::Max(highest, load(d, y + c, left, highest)); });
  highest = hn::MaxOfLanes(d, highest);
  over_vectors(count, [&](int64_t c, size_t left) {
    const auto gradient = load(d, dy + c, left);
    const auto of_exponent = hn::Mul(gradient, hn::Sub(load(d, y + c, left, least), least));
    given = hn::Add(given, gradient);
    passed = hn::Add(passed, of_exponent);
    store(hn::Mul(of_exponent, factor), d, dy + c, left);
  });
  int64_t largest = 0;  // the first of them
  for (intptr_t found = -1; found < 0 && largest < count;) {
    found = hn::FindFirstTrue(d, hn::Eq(load(d, y + largest, static_cast<size_t>(count - largest)), highest));
    largest += found < 0 ? static_cast<int64_t>(hn::Lanes(d)) : found;
  }
  const float of_floor = floor * hn::GetLane(hn::SumOfLanes(d, given));
  if (largest < count) dy[largest] += of_floor * scale;  // none where there is a NaN
  return hn::GetLane(hn::SumOfLanes(d, passed)) + of_floor;
}

void rectified(float* p, int64_t count, float scale, float floor) {
  const Lanes d;
  const auto factor = hn::Set(d, scale), least = hn::Set(d, floor), zero = hn::Zero(d);
  over_vectors(count, [&](int64_t c, size_t left) {
    const auto value = hn::Mul(load(d, p + c, left), factor);
    store(hn::Add(hn::IfThenZeroElse(hn::Lt(value, zero), value), least), d, p + c, left);
  });
}

void rectified_backward(const float* y, float* dy, int64_t count, float scale, float floor) {
  const Lanes d;
  const auto factor = hn::Set(d, scale), least = hn::Set(d, floor);
  over_vectors(count, [&](int64_t c, size_t left) {
    const auto flat = hn::Le(load(d, y + c, left), least);
    store(hn::IfThenZeroElse(flat, hn::Mul(load(d, dy + c, left), factor)), d, dy + c, left);
  });
}

float step(const cpu::StepRow& row, float* sums, float* normaliser, float* out) {
  const Lanes d;
  float weight = 0;
  over_vectors(row.values, [&](int64_t c, size_t left) { store(hn::Zero(d), d, out + c, left); });
  const auto keep = hn::Set(d, row.keep);
  for (int64_t f = 0; f < row.features; ++f, sums += row.values) {
    const float added = row.take * row.k[f];
    const auto key = hn::Set(d, added), query = hn::Set(d, row.q[f]);
    over_vectors(row.values, [&](int64_t c, size_t left) {
      const auto sum = hn::MulAdd(key, load(d, row.v + c, left), hn::Mul(keep, load(d, sums + c, left)));
      store(sum, d, sums + c, left);
      store(hn::MulAdd(query, sum, load(d, out + c, left)), d, out + c, left);
    });
    normaliser[f] = row.keep * normaliser[f] + added;
    weight += normaliser[f] * row.q[f];
  }
  return weight;
}

}  // namespace attune::attention::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::attention {
HWY_EXPORT(sum);
HWY_EXPORT(all_finite);
HWY_EXPORT(dot);
HWY_EXPORT(add_scaled);
HWY_EXPORT(scale);
HWY_EXPORT(decay);
HWY_EXPORT(dot_rows);
HWY_EXPORT(add_outer);
HWY_EXPORT(scale_rows);
HWY_EXPORT(elu_plus_one);
HWY_EXPORT(elu_plus_one_backward);
HWY_EXPORT(exponentials);
HWY_EXPORT(exponentials_backward);
HWY_EXPORT(rectified);
HWY_EXPORT(rectified_backward);
HWY_EXPORT(step);

float cpu::sum(const float* x, int64_t count) {
  return HWY_DYNAMIC_DISPATCH(sum)(x, count);
}
bool cpu::all_finite(const float* x, int64_t count) {
  return HWY_DYNAMIC_DISPATCH(all_finite)(x, count);
}
float cpu::dot(const float* x, const float* y, int64_t count) {
  return HWY_DYNAMIC_DISPATCH(dot)(x, y, count);
}
void cpu::add_scaled(float a, const float* x, float* y, int64_t count) {
  HWY_DYNAMIC_DISPATCH(add_scaled)(a, x, y, count);
}
void cpu::scale(float a, float* x, int64_t count) {
  HWY_DYNAMIC_DISPATCH(scale)(a, x, count);
}
void cpu::decay(float* a, const float* s, int64_t count, float shift, float sign) {
  HWY_DYNAMIC_DISPATCH(decay)(a, s, count, shift, sign);
}
void cpu::dot_rows(const Given& x, const Given& y, float* to) {
  HWY_DYNAMIC_DISPATCH(dot_rows)(x, y, to);
}
void cpu::add_outer(const float* a, const float* x, const Written& y) {
  HWY_DYNAMIC_DISPATCH(add_outer)(a, x, y);
}
void cpu::scale_rows(const float* a, const Given& x, const Written& y) {
  HWY_DYNAMIC_DISPATCH(scale_rows)(a, x, y);
}
void cpu::elu_plus_one(const Given& x, const Written& y) {
  HWY_DYNAMIC_DISPATCH(elu_plus_one)(x, y);
}
void cpu::elu_plus_one_backward(const Given& y, const Given& dy, const Written& dx) {
  HWY_DYNAMIC_DISPATCH(elu_plus_one_backward)(y, dy, dx);
}
float cpu::exponentials(float* p, int64_t count, float scale, float floor) {
  return HWY_DYNAMIC_DISPATCH(exponentials)(p, count, scale, floor);
}
float cpu::exponentials_backward(const float* y, float* dy, int64_t count, float scale, float floor) {
  return HWY_DYNAMIC_DISPATCH(exponentials_backward)(y, dy, count, scale, floor);
}
void cpu::rectified(float* p, int64_t count, float scale, float floor) {
  HWY_DYNAMIC_DISPATCH(rectified)(p, count, scale, floor);
}
void cpu::rectified_backward(const float* y, float* dy, int64_t count, float scale, float floor) {
  HWY_DYNAMIC_DISPATCH(rectified_backward)(y, dy, count, scale, floor);
}
float cpu::step(const StepRow& row, float* sums, float* normaliser, float* out) {
  return HWY_DYNAMIC_DISPATCH(step)(row, sums, normaliser, out);
}

}  // namespace attune::attention
#endif
