#include "attune/ops/cross_entropy_cpu.h"

#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/ops/cross_entropy_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// after highway.h
#include "attune/ops/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The largest element and the sum, one pass.
template <class T>
void max_and_sum(const T* HWY_RESTRICT x, int64_t count, T& largest, double& total) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto m0 = hn::Set(d, -std::numeric_limits<T>::infinity()), m1 = m0;
  auto s0 = hn::Zero(d), s1 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto a = hn::LoadU(d, x + i), b = hn::LoadU(d, x + i + lanes);
    m0 = hn::Max(m0, a);
    m1 = hn::Max(m1, b);
    s0 = hn::Add(s0, a);
    s1 = hn::Add(s1, b);
  }
  largest = hn::GetLane(hn::MaxOfLanes(d, hn::Max(m0, m1)));
  total = static_cast<double>(hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1))));
  for (; i < count; ++i) {
    largest = x[i] > largest ? x[i] : largest;
    total += static_cast<double>(x[i]);
  }
}

// Sum of exp(x - shift); every element is written to `exps` when Keep.
template <bool Keep, class T>
double exp_sum(const T* x, T* exps, int64_t count, T shift) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto away = hn::Set(d, shift);
  auto s0 = hn::Zero(d), s1 = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto a = exp_of_negative(d, hn::Sub(hn::LoadU(d, x + i), away));
    const auto b = exp_of_negative(d, hn::Sub(hn::LoadU(d, x + i + lanes), away));
    s0 = hn::Add(s0, a);
    s1 = hn::Add(s1, b);
    if constexpr (Keep) {
      hn::StoreU(a, d, exps + i);
      hn::StoreU(b, d, exps + i + lanes);
    }
  }
  double total = static_cast<double>(hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1))));
  for (; i < count; ++i) {
    const T e = std::exp(x[i] - shift);
    total += static_cast<double>(e);
    if constexpr (Keep) exps[i] = e;
  }
  return total;
}

template <class T>
LogitStatistics statistics(const T* x, T* exps, int64_t classes) {
  LogitStatistics result;
  T largest;
  max_and_sum(x, classes, largest, result.sum);
  result.max = static_cast<double>(largest);
  result.exp_sum =
      exps != nullptr ? exp_sum<true>(x, exps, classes, largest) : exp_sum<false>(x, exps, classes, largest);
  result.log_sum_exp = result.max + std::log(result.exp_sum);
  return result;
}

void statistics_f32(const float* x, float* exps, int64_t classes, LogitStatistics& to) {
  to = statistics(x, exps, classes);
}
void statistics_f64(const double* x, double* exps, int64_t classes, LogitStatistics& to) {
  to = statistics(x, exps, classes);
}

template <class T>
void scale_and_shift_range(T* y, T factor, T shift, int64_t count) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto a = hn::Set(d, factor), b = hn::Set(d, shift);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(hn::MulAdd(a, hn::LoadU(d, y + i), b), d, y + i);
  for (; i < count; ++i) y[i] = factor * y[i] + shift;
}

void scale_and_shift_f32(float* y, float a, float b, int64_t n) {
  scale_and_shift_range(y, a, b, n);
}
void scale_and_shift_f64(double* y, double a, double b, int64_t n) {
  scale_and_shift_range(y, a, b, n);
}

}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {
HWY_EXPORT(statistics_f32);
HWY_EXPORT(statistics_f64);
HWY_EXPORT(scale_and_shift_f32);
HWY_EXPORT(scale_and_shift_f64);

LogitStatistics logit_statistics(const float* x, float* exps, int64_t classes) {
  LogitStatistics result;
  HWY_DYNAMIC_DISPATCH(statistics_f32)(x, exps, classes, result);
  return result;
}
LogitStatistics logit_statistics(const double* x, double* exps, int64_t classes) {
  LogitStatistics result;
  HWY_DYNAMIC_DISPATCH(statistics_f64)(x, exps, classes, result);
  return result;
}

void scale_and_shift(float* y, float factor, float shift, int64_t count) {
  HWY_DYNAMIC_DISPATCH(scale_and_shift_f32)(y, factor, shift, count);
}
void scale_and_shift(double* y, double factor, double shift, int64_t count) {
  HWY_DYNAMIC_DISPATCH(scale_and_shift_f64)(y, factor, shift, count);
}

}  // namespace attune::cpu
#endif
