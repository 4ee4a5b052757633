#include "attune/ops/weight_norm_cpu.h"

#include <algorithm>
#include <cmath>

#include "attune/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/ops/weight_norm_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "attune/ops/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
T dot(const T* a, const T* b, size_t count) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  auto even = hn::Zero(d), odd = hn::Zero(d);
  for (size_t i = 0; i < count; i += 2 * lanes) {
    even = hn::MulAdd(load(d, a + i, count - i), load(d, b + i, count - i), even);
    if (i + lanes < count) {
      odd = hn::MulAdd(load(d, a + i + lanes, count - i - lanes), load(d, b + i + lanes, count - i - lanes), odd);
    }
  }
  return static_cast<T>(sum_of_lanes(d, hn::Add(even, odd)));
}

// z = a x + b y (+ z)
template <class T>
void combine(T* HWY_RESTRICT z, T a, const T* x, T b, const T* y, size_t count, bool accumulate) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  const auto va = hn::Set(d, a), vb = hn::Set(d, b);
  for (size_t i = 0; i < count; i += lanes) {
    const auto old = accumulate ? load(d, z + i, count - i) : hn::Zero(d);
    const auto sum = hn::MulAdd(vb, load(d, y + i, count - i), hn::MulAdd(va, load(d, x + i, count - i), old));
    store(sum, d, z + i, count - i);
  }
}

// 1 / ||v||, 0 for v = 0
template <class T>
T inverse_norm(const T* v, size_t columns) {
  const T square = dot(v, v, columns);
  return square > 0 ? T{1} / std::sqrt(square) : T{0};
}

template <class T>
void forward_rows(int64_t begin, int64_t end, size_t columns, T* w, const T* v, const T* g) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t at = row * static_cast<int64_t>(columns);
    combine<T>(w + at, g[row] * inverse_norm(v + at, columns), v + at, T{0}, v + at, columns, false);
  }
}

template <class T>
void backward_rows(int64_t begin, int64_t end, size_t columns, const WeightNormGradients<T>& into, const T* v,
                   const T* g, const T* dw) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t at = row * static_cast<int64_t>(columns);
    const T inverse = inverse_norm(v + at, columns), dg = dot(dw + at, v + at, columns) * inverse;
    if (into.g != nullptr) {
      into.g[row] = into.add_to_g ? into.g[row] + dg : dg;
    }
    if (into.v != nullptr) {
      const T factor = g[row] * inverse;
      combine<T>(into.v + at, factor, dw + at, -factor * dg * inverse, v + at, columns, into.add_to_v);
    }
  }
}

void forward_f32(int64_t begin, int64_t end, size_t columns, float* w, const float* v, const float* g) {
  forward_rows(begin, end, columns, w, v, g);
}
void forward_f64(int64_t begin, int64_t end, size_t columns, double* w, const double* v, const double* g) {
  forward_rows(begin, end, columns, w, v, g);
}
void backward_f32(int64_t begin, int64_t end, size_t columns, const WeightNormGradients<float>& into, const float* v,
                  const float* g, const float* dw) {
  backward_rows(begin, end, columns, into, v, g, dw);
}
void backward_f64(int64_t begin, int64_t end, size_t columns, const WeightNormGradients<double>& into, const double* v,
                  const double* g, const double* dw) {
  backward_rows(begin, end, columns, into, v, g, dw);
}

}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {
HWY_EXPORT(forward_f32);
HWY_EXPORT(forward_f64);
HWY_EXPORT(backward_f32);
HWY_EXPORT(backward_f64);

namespace {
int64_t grain_of(int64_t columns) {
  return std::max<int64_t>(1, 32768 / (columns + 1));
}
}  // namespace

template <>
void weight_norm(int64_t rows, int64_t columns, float* w, const float* v, const float* g) {
  parallel_for(rows, grain_of(columns), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(forward_f32)(begin, end, static_cast<size_t>(columns), w, v, g);
  });
}
template <>
void weight_norm(int64_t rows, int64_t columns, double* w, const double* v, const double* g) {
  parallel_for(rows, grain_of(columns), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(forward_f64)(begin, end, static_cast<size_t>(columns), w, v, g);
  });
}
template <>
void weight_norm_backward(int64_t rows, int64_t columns, const WeightNormGradients<float>& into, const float* v,
                          const float* g, const float* dw) {
  parallel_for(rows, grain_of(columns), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(backward_f32)(begin, end, static_cast<size_t>(columns), into, v, g, dw);
  });
}
template <>
void weight_norm_backward(int64_t rows, int64_t columns, const WeightNormGradients<double>& into, const double* v,
                          const double* g, const double* dw) {
  parallel_for(rows, grain_of(columns), [&](int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(backward_f64)(begin, end, static_cast<size_t>(columns), into, v, g, dw);
  });
}

}  // namespace attune::cpu
#endif
