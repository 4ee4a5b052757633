#include "attune/ops/arithmetic_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/ops/arithmetic_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
void combine(T* HWY_RESTRICT z, T a, const T* x, T b, const T* y, int64_t rows, int64_t columns, int64_t y_stride) {
  const hn::ScalableTag<T> d;
  const auto va = hn::Set(d, a), vb = hn::Set(d, b);
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t row = 0; row < rows; ++row, z += columns, x += columns, y += y_stride) {
    int64_t i = 0;
    for (; i + lanes <= columns; i += lanes) {
      hn::StoreU(hn::MulAdd(va, hn::LoadU(d, x + i), hn::Mul(vb, hn::LoadU(d, y + i))), d, z + i);
    }
    for (; i < columns; ++i) z[i] = a * x[i] + b * y[i];
  }
}

template <class T>
void multiply(T* HWY_RESTRICT z, const T* x, const T* y, int64_t rows, int64_t columns, int64_t y_stride) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t row = 0; row < rows; ++row, z += columns, x += columns, y += y_stride) {
    int64_t i = 0;
    for (; i + lanes <= columns; i += lanes) {
      hn::StoreU(hn::Mul(hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, z + i);
    }
    for (; i < columns; ++i) z[i] = x[i] * y[i];
  }
}

void combine_f32(float* z, float a, const float* x, float b, const float* y, int64_t rows, int64_t columns,
                 int64_t step) {
  combine(z, a, x, b, y, rows, columns, step);
}
void combine_f64(double* z, double a, const double* x, double b, const double* y, int64_t rows, int64_t columns,
                 int64_t step) {
  combine(z, a, x, b, y, rows, columns, step);
}
void multiply_f32(float* z, const float* x, const float* y, int64_t rows, int64_t columns, int64_t step) {
  multiply(z, x, y, rows, columns, step);
}
void multiply_f64(double* z, const double* x, const double* y, int64_t rows, int64_t columns, int64_t step) {
  multiply(z, x, y, rows, columns, step);
}

double sum_f32(const float* x, int64_t count) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> narrow;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  auto even = hn::Zero(d), odd = hn::Zero(d);
  int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    even = hn::Add(even, hn::PromoteTo(d, hn::LoadU(narrow, x + i)));
    odd = hn::Add(odd, hn::PromoteTo(d, hn::LoadU(narrow, x + i + lanes)));
  }
  double total = hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
  for (; i < count; ++i) total += static_cast<double>(x[i]);
  return total;
}

}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {
HWY_EXPORT(combine_f32);
HWY_EXPORT(combine_f64);
HWY_EXPORT(multiply_f32);
HWY_EXPORT(multiply_f64);
HWY_EXPORT(sum_f32);

void combine_rows(float* z, float a, const float* x, float b, const float* y, int64_t rows, int64_t columns,
                  int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(combine_f32)(z, a, x, b, y, rows, columns, y_stride);
}
void combine_rows(double* z, double a, const double* x, double b, const double* y, int64_t rows, int64_t columns,
                  int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(combine_f64)(z, a, x, b, y, rows, columns, y_stride);
}
void multiply_rows(float* z, const float* x, const float* y, int64_t rows, int64_t columns, int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(multiply_f32)(z, x, y, rows, columns, y_stride);
}
void multiply_rows(double* z, const double* x, const double* y, int64_t rows, int64_t columns, int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(multiply_f64)(z, x, y, rows, columns, y_stride);
}

double sum_range(const float* x, int64_t count) {
  return HWY_DYNAMIC_DISPATCH(sum_f32)(x, count);
}
double sum_range(const double* x, int64_t count) {
  double total = 0;
  for (int64_t i = 0; i < count; ++i) total += x[i];
  return total;
}

}  // namespace attune::cpu
#endif
