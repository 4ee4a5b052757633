#include "attune/ops/softmax_cpu.h"

#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/ops/softmax_cpu.cpp"
#include <hwy/foreach_target.h>

#include "attune/ops/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {

// The largest element, or 0 for a row of -inf: then exp(x - 0) = 0 everywhere and the sum says that nothing was there.
template <class T>
T shift_of_row(const T* x, size_t n) {
  const hn::ScalableTag<T> d;
  const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  auto largest = lowest;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    largest = hn::Max(largest, load(d, x + i, n - i, lowest));
  }
  const T shift = hn::GetLane(hn::MaxOfLanes(d, largest));
  return shift == -std::numeric_limits<T>::infinity() ? T{0} : shift;
}

template <class T>
void softmax_rows(T* HWY_RESTRICT y, const T* HWY_RESTRICT x, size_t rows, size_t n) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  for (size_t row = 0; row < rows; ++row, x += n, y += n) {
    const auto shift = hn::Set(d, shift_of_row(x, n));
    auto sum = hn::Zero(d);
    for (size_t i = 0; i < n; i += lanes) {
      const auto e = exp_of_negative(d, hn::Sub(load(d, x + i, n - i, lowest), shift));
      sum = hn::Add(sum, e);
      store(e, d, y + i, n - i);
    }
    const double total = sum_of_lanes(d, sum);
    const auto inverse = hn::Set(d, total == 0 ? T{0} : static_cast<T>(1 / total));
    for (size_t i = 0; i < n; i += lanes) {
      store(hn::Mul(load(d, y + i, n - i), inverse), d, y + i, n - i);
    }
  }
}

// dx = y (dy - sum_j y_j dy_j)
template <class T>
void softmax_backward_rows(T* HWY_RESTRICT dx, const T* HWY_RESTRICT y, const T* HWY_RESTRICT dy, size_t rows,
                           size_t n) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  for (size_t row = 0; row < rows; ++row, dx += n, y += n, dy += n) {
    auto sum = hn::Zero(d);
    for (size_t i = 0; i < n; i += lanes) {
      sum = hn::MulAdd(load(d, y + i, n - i), load(d, dy + i, n - i), sum);
    }
    const auto dot = hn::SumOfLanes(d, sum);
    for (size_t i = 0; i < n; i += lanes) {
      store(hn::Mul(load(d, y + i, n - i), hn::Sub(load(d, dy + i, n - i), dot)), d, dx + i, n - i);
    }
  }
}

// y = (x - max) - log(sum): the difference first, so that a common offset of any size costs no digits
template <class T>
void log_softmax_rows(T* HWY_RESTRICT y, const T* HWY_RESTRICT x, size_t rows, size_t n) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  for (size_t row = 0; row < rows; ++row, x += n, y += n) {
    const auto shift = hn::Set(d, shift_of_row(x, n));
    auto sum = hn::Zero(d);
    for (size_t i = 0; i < n; i += lanes) {
      sum = hn::Add(sum, exp_of_negative(d, hn::Sub(load(d, x + i, n - i, lowest), shift)));
    }
    const double total = sum_of_lanes(d, sum);
    const auto log_sum = hn::Set(d, total == 0 ? T{0} : static_cast<T>(std::log(total)));
    for (size_t i = 0; i < n; i += lanes) {
      store(hn::Sub(hn::Sub(load(d, x + i, n - i), shift), log_sum), d, y + i, n - i);
    }
  }
}

// dx = dy - exp(y) sum_j dy_j; 0 for a row of -inf
template <class T>
void log_softmax_backward_rows(T* HWY_RESTRICT dx, const T* HWY_RESTRICT y, const T* HWY_RESTRICT dy, size_t rows,
                               size_t n) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  const auto lowest = hn::Set(d, -std::numeric_limits<T>::infinity());
  for (size_t row = 0; row < rows; ++row, dx += n, y += n, dy += n) {
    auto sum = hn::Zero(d), reached = hn::Zero(d);
    for (size_t i = 0; i < n; i += lanes) {
      sum = hn::Add(sum, load(d, dy + i, n - i));
      // 1 where y is not -inf, NaN included
      const auto masked = hn::Eq(load(d, y + i, n - i, lowest), lowest);
      reached = hn::Max(reached, hn::IfThenZeroElse(masked, hn::Set(d, T{1})));
    }
    const auto total = hn::SumOfLanes(d, sum);
    const auto alive = hn::Gt(hn::MaxOfLanes(d, reached), hn::Zero(d));
    for (size_t i = 0; i < n; i += lanes) {
      const auto p = exp_of_negative(d, load(d, y + i, n - i));
      store(hn::IfThenElseZero(alive, hn::NegMulAdd(p, total, load(d, dy + i, n - i))), d, dx + i, n - i);
    }
  }
}

void softmax_f32(float* y, const float* x, size_t rows, size_t n) {
  softmax_rows(y, x, rows, n);
}
void softmax_f64(double* y, const double* x, size_t rows, size_t n) {
  softmax_rows(y, x, rows, n);
}
void log_softmax_f32(float* y, const float* x, size_t rows, size_t n) {
  log_softmax_rows(y, x, rows, n);
}
void log_softmax_f64(double* y, const double* x, size_t rows, size_t n) {
  log_softmax_rows(y, x, rows, n);
}
void softmax_backward_f32(float* dx, const float* y, const float* dy, size_t rows, size_t n) {
  softmax_backward_rows(dx, y, dy, rows, n);
}
void softmax_backward_f64(double* dx, const double* y, const double* dy, size_t rows, size_t n) {
  softmax_backward_rows(dx, y, dy, rows, n);
}
void log_softmax_backward_f32(float* dx, const float* y, const float* dy, size_t rows, size_t n) {
  log_softmax_backward_rows(dx, y, dy, rows, n);
}
void log_softmax_backward_f64(double* dx, const double* y, const double* dy, size_t rows, size_t n) {
  log_softmax_backward_rows(dx, y, dy, rows, n);
}

}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "attune/base/parallel.h"

namespace attune::cpu {
HWY_EXPORT(softmax_f32);
HWY_EXPORT(softmax_f64);
HWY_EXPORT(log_softmax_f32);
HWY_EXPORT(log_softmax_f64);
HWY_EXPORT(softmax_backward_f32);
HWY_EXPORT(softmax_backward_f64);
HWY_EXPORT(log_softmax_backward_f32);
HWY_EXPORT(log_softmax_backward_f64);

namespace {

// Calls fn(first element, rows) on ranges of rows that are worth a thread.
template <class Fn>
void over_rows(Rows size, Fn&& fn) {
  if (size.columns == 0) {
    return;
  }
  parallel_for(size.rows, std::max<int64_t>(1, 8192 / size.columns), [&](int64_t begin, int64_t end) {
    fn(begin * size.columns, static_cast<size_t>(end - begin), static_cast<size_t>(size.columns));
  });
}

}  // namespace

template <class T>
void softmax(Rows size, T* y, const T* x) {
  over_rows(size, [&](int64_t at, size_t rows, size_t n) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(softmax_f32)(y + at, x + at, rows, n);
    } else {
      HWY_DYNAMIC_DISPATCH(softmax_f64)(y + at, x + at, rows, n);
    }
  });
}

template <class T>
void softmax_backward(Rows size, T* dx, const T* y, const T* dy) {
  over_rows(size, [&](int64_t at, size_t rows, size_t n) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(softmax_backward_f32)(dx + at, y + at, dy + at, rows, n);
    } else {
      HWY_DYNAMIC_DISPATCH(softmax_backward_f64)(dx + at, y + at, dy + at, rows, n);
    }
  });
}

template <class T>
void log_softmax(Rows size, T* y, const T* x) {
  over_rows(size, [&](int64_t at, size_t rows, size_t n) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(log_softmax_f32)(y + at, x + at, rows, n);
    } else {
      HWY_DYNAMIC_DISPATCH(log_softmax_f64)(y + at, x + at, rows, n);
    }
  });
}

template <class T>
void log_softmax_backward(Rows size, T* dx, const T* y, const T* dy) {
  over_rows(size, [&](int64_t at, size_t rows, size_t n) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(log_softmax_backward_f32)(dx + at, y + at, dy + at, rows, n);
    } else {
      HWY_DYNAMIC_DISPATCH(log_softmax_backward_f64)(dx + at, y + at, dy + at, rows, n);
    }
  });
}

template void softmax<float>(Rows, float*, const float*);
template void softmax<double>(Rows, double*, const double*);
template void softmax_backward<float>(Rows, float*, const float*, const float*);
template void softmax_backward<double>(Rows, double*, const double*, const double*);
template void log_softmax<float>(Rows, float*, const float*);
template void log_softmax<double>(Rows, double*, const double*);
template void log_softmax_backward<float>(Rows, float*, const float*, const float*);
template void log_softmax_backward<double>(Rows, double*, const double*, const double*);

}  // namespace attune::cpu
#endif
