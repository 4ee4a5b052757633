#include "attune/ops/activation_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/ops/activation_cpu.cpp"
#include <hwy/foreach_target.h>

#include "attune/ops/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {

// Calls fn with the type that has the function's value and slope.
template <class Fn>
HWY_INLINE void with_activation(Activation f, Fn&& fn) {
  switch (f) {
    case Activation::identity:
      return fn(Identity{});
    case Activation::relu:
      return fn(Relu{});
    case Activation::gelu:
      return fn(Gelu{});
    case Activation::gelu_tanh:
      return fn(GeluTanh{});
    case Activation::silu:
      return fn(Silu{});
    case Activation::sigmoid:
      return fn(Sigmoid{});
    case Activation::tanh:
      return fn(Tanh{});
  }
}

template <class F, class T>
void map(T* y, const T* x, size_t n) {
  const hn::ScalableTag<T> d;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    store(F::value(d, load(d, x + i, n - i)), d, y + i, n - i);
  }
}

template <class F, class T>
void map_backward(T* dx, const T* saved, const T* dy, size_t n) {
  const hn::ScalableTag<T> d;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto v = load(d, saved + i, n - i);
    store(hn::Mul(load(d, dy + i, n - i), F::slope(d, v, v)), d, dx + i, n - i);
  }
}

template <class F, class T>
void glu_rows(T* HWY_RESTRICT y, const T* HWY_RESTRICT x, size_t rows, size_t n) {
  const hn::ScalableTag<T> d;
  for (size_t row = 0; row < rows; ++row, x += 2 * n, y += n) {
    for (size_t i = 0; i < n; i += hn::Lanes(d)) {
      const auto gate = F::value(d, load(d, x + n + i, n - i));
      store(hn::Mul(load(d, x + i, n - i), gate), d, y + i, n - i);
    }
  }
}

template <class F, class T>
void glu_backward_rows(T* HWY_RESTRICT dx, const T* HWY_RESTRICT x, const T* HWY_RESTRICT dy, size_t rows, size_t n) {
  const hn::ScalableTag<T> d;
  for (size_t row = 0; row < rows; ++row, x += 2 * n, dx += 2 * n, dy += n) {
    for (size_t i = 0; i < n; i += hn::Lanes(d)) {
      const auto b = load(d, x + n + i, n - i), v = load(d, dy + i, n - i);
      const auto gate = F::value(d, b);
      store(hn::Mul(v, gate), d, dx + i, n - i);
      const auto slope = F::slope(d, b, gate);
      store(hn::Mul(hn::Mul(v, load(d, x + i, n - i)), slope), d, dx + n + i, n - i);
    }
  }
}

template <class T>
void map_any(Activation f, T* y, const T* x, size_t n) {
  with_activation(f, [&](auto kind) { map<decltype(kind)>(y, x, n); });
}
template <class T>
void map_backward_any(Activation f, T* dx, const T* saved, const T* dy, size_t n) {
  with_activation(f, [&](auto kind) { map_backward<decltype(kind)>(dx, saved, dy, n); });
}
template <class T>
void glu_any(Activation f, T* y, const T* x, size_t rows, size_t n) {
  with_activation(f, [&](auto kind) { glu_rows<decltype(kind)>(y, x, rows, n); });
}
template <class T>
void glu_backward_any(Activation f, T* dx, const T* x, const T* dy, size_t rows, size_t n) {
  with_activation(f, [&](auto kind) { glu_backward_rows<decltype(kind)>(dx, x, dy, rows, n); });
}

void map_f32(Activation f, float* y, const float* x, size_t n) {
  map_any(f, y, x, n);
}
void map_f64(Activation f, double* y, const double* x, size_t n) {
  map_any(f, y, x, n);
}
void map_backward_f32(Activation f, float* dx, const float* saved, const float* dy, size_t n) {
  map_backward_any(f, dx, saved, dy, n);
}
void map_backward_f64(Activation f, double* dx, const double* saved, const double* dy, size_t n) {
  map_backward_any(f, dx, saved, dy, n);
}
void glu_f32(Activation f, float* y, const float* x, size_t rows, size_t n) {
  glu_any(f, y, x, rows, n);
}
void glu_f64(Activation f, double* y, const double* x, size_t rows, size_t n) {
  glu_any(f, y, x, rows, n);
}
void glu_backward_f32(Activation f, float* dx, const float* x, const float* dy, size_t rows, size_t n) {
  glu_backward_any(f, dx, x, dy, rows, n);
}
void glu_backward_f64(Activation f, double* dx, const double* x, const double* dy, size_t rows, size_t n) {
  glu_backward_any(f, dx, x, dy, rows, n);
}

}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "attune/base/parallel.h"

namespace attune::cpu {
HWY_EXPORT(map_f32);
HWY_EXPORT(map_f64);
HWY_EXPORT(map_backward_f32);
HWY_EXPORT(map_backward_f64);
HWY_EXPORT(glu_f32);
HWY_EXPORT(glu_f64);
HWY_EXPORT(glu_backward_f32);
HWY_EXPORT(glu_backward_f64);

namespace {
constexpr int64_t grain = 8192;  // elements worth a thread
}

bool slope_from_output(Activation f) {
  return f == Activation::relu || f == Activation::sigmoid || f == Activation::tanh;
}

template <class T>
void activate(Activation f, int64_t count, T* y, const T* x) {
  parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    const auto n = static_cast<size_t>(end - begin);
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(map_f32)(f, y + begin, x + begin, n);
    } else {
      HWY_DYNAMIC_DISPATCH(map_f64)(f, y + begin, x + begin, n);
    }
  });
}

template <class T>
void activate_backward(Activation f, int64_t count, T* dx, const T* saved, const T* dy) {
  parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    const auto n = static_cast<size_t>(end - begin);
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(map_backward_f32)(f, dx + begin, saved + begin, dy + begin, n);
    } else {
      HWY_DYNAMIC_DISPATCH(map_backward_f64)(f, dx + begin, saved + begin, dy + begin, n);
    }
  });
}

template <class T>
void glu(Activation f, int64_t rows, int64_t columns, T* y, const T* x) {
  parallel_for(rows, grain / std::max<int64_t>(columns, 1) + 1, [&](int64_t begin, int64_t end) {
    const auto count = static_cast<size_t>(end - begin), n = static_cast<size_t>(columns);
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(glu_f32)(f, y + begin * columns, x + 2 * begin * columns, count, n);
    } else {
      HWY_DYNAMIC_DISPATCH(glu_f64)(f, y + begin * columns, x + 2 * begin * columns, count, n);
    }
  });
}

template <class T>
void glu_backward(Activation f, int64_t rows, int64_t columns, T* dx, const T* x, const T* dy) {
  parallel_for(rows, grain / std::max<int64_t>(columns, 1) + 1, [&](int64_t begin, int64_t end) {
    const int64_t at = begin * columns;
    const auto count = static_cast<size_t>(end - begin), n = static_cast<size_t>(columns);
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(glu_backward_f32)(f, dx + 2 * at, x + 2 * at, dy + at, count, n);
    } else {
      HWY_DYNAMIC_DISPATCH(glu_backward_f64)(f, dx + 2 * at, x + 2 * at, dy + at, count, n);
    }
  });
}

template void activate<float>(Activation, int64_t, float*, const float*);
template void activate<double>(Activation, int64_t, double*, const double*);
template void activate_backward<float>(Activation, int64_t, float*, const float*, const float*);
template void activate_backward<double>(Activation, int64_t, double*, const double*, const double*);
template void glu<float>(Activation, int64_t, int64_t, float*, const float*);
template void glu<double>(Activation, int64_t, int64_t, double*, const double*);
template void glu_backward<float>(Activation, int64_t, int64_t, float*, const float*, const float*);
template void glu_backward<double>(Activation, int64_t, int64_t, double*, const double*, const double*);

}  // namespace attune::cpu
#endif
