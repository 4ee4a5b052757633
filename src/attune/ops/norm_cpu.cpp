#include "attune/ops/norm_cpu.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/ops/norm_cpu.cpp"
#include <hwy/foreach_target.h>

#include "attune/ops/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {

// Two passes over a row that stays in the first cache. The second measures around the rounded mean and so finds what
// the rounding lost: exact even where the mean is a thousand times the deviation.
template <class T>
RowStatistics<T> statistics_of(const T* HWY_RESTRICT x, size_t n, double epsilon, bool centred) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  const double count = static_cast<double>(n);
  T mean = 0;
  if (centred) {
    auto s0 = hn::Zero(d), s1 = hn::Zero(d);
    size_t i = 0;
    for (; i + 2 * lanes <= n; i += 2 * lanes) {
      s0 = hn::Add(s0, hn::LoadU(d, x + i));
      s1 = hn::Add(s1, hn::LoadU(d, x + i + lanes));
    }
    for (; i < n; i += lanes) s0 = hn::Add(s0, load(d, x + i, n - i));
    mean = static_cast<T>(sum_of_lanes(d, hn::Add(s0, s1)) / count);
  }
  const auto vmean = hn::Set(d, mean);
  auto s0 = hn::Zero(d), s1 = hn::Zero(d), q0 = hn::Zero(d), q1 = hn::Zero(d);
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const auto a = hn::Sub(hn::LoadU(d, x + i), vmean), b = hn::Sub(hn::LoadU(d, x + i + lanes), vmean);
    s0 = hn::Add(s0, a);
    s1 = hn::Add(s1, b);
    q0 = hn::MulAdd(a, a, q0);
    q1 = hn::MulAdd(b, b, q1);
  }
  for (; i < n; i += lanes) {
    const auto a = hn::Sub(load(d, x + i, n - i, vmean), vmean);
    s0 = hn::Add(s0, a);
    q0 = hn::MulAdd(a, a, q0);
  }
  const double correction = centred ? sum_of_lanes(d, hn::Add(s0, s1)) / count : 0.0;
  double variance = sum_of_lanes(d, hn::Add(q0, q1)) / count - correction * correction;
  variance = variance < 0 ? 0 : variance;  // a NaN stays
  return {mean, static_cast<T>(correction), static_cast<T>(1 / std::sqrt(variance + epsilon))};
}

// Rows may lie apart, where no processor guesses the next one: it is asked for so many rows before.
constexpr int64_t rows_ahead = 4;

template <class T, class Y>
void norm_rows(Y* HWY_RESTRICT y, RowStatistics<T>* HWY_RESTRICT statistics, const T* HWY_RESTRICT x,
               const T* HWY_RESTRICT weight, const T* HWY_RESTRICT bias, const NormRows& size, size_t rows) {
  const hn::ScalableTag<T> d;
  const auto n = static_cast<size_t>(size.columns);
  for (size_t row = 0; row < rows; ++row, x += size.x_stride, y += n) {
    const RowStatistics<T> found = statistics_of(x, n, size.epsilon, size.centred);
    if (statistics != nullptr) statistics[row] = found;
    const auto mean = hn::Set(d, found.mean), correction = hn::Set(d, found.correction);
    const auto inverse = hn::Set(d, found.inverse);
    for (size_t i = 0; i < n; i += hn::Lanes(d)) {
      __builtin_prefetch(x + rows_ahead * size.x_stride + static_cast<int64_t>(i));
      const auto offset = hn::Sub(hn::Sub(load(d, x + i, n - i), mean), correction);
      const auto shift = bias != nullptr ? load(d, bias + i, n - i) : hn::Zero(d);
      store(hn::MulAdd(hn::Mul(offset, inverse), load(d, weight + i, n - i), shift), d, y + i, n - i);
    }
  }
}

// With u = d r (the normalised row) and g = dy weight: dx = r (g - mean(g) - u mean(g u)), mean(g) only when centred.
// Adds dy u to dweight and dy to dbias.
template <class T>
void norm_backward_rows(const NormGradients<T>& into, const T* HWY_RESTRICT x,
                        const RowStatistics<T>* HWY_RESTRICT statistics, const T* HWY_RESTRICT weight,
                        const T* HWY_RESTRICT dy, const NormRows& size, size_t rows) {
  const hn::ScalableTag<T> d;
  const auto n = static_cast<size_t>(size.columns);
  T* HWY_RESTRICT dx = into.x;
  T* HWY_RESTRICT dweight = into.weight;
  T* HWY_RESTRICT dbias = into.bias;
  for (size_t row = 0; row < rows; ++row, x += size.x_stride, dy += n) {
    const auto mean = hn::Set(d, statistics[row].mean), correction = hn::Set(d, statistics[row].correction);
    const auto inverse = hn::Set(d, statistics[row].inverse);
    auto sum_g = hn::Zero(d), sum_gu = hn::Zero(d);
    for (size_t i = 0; i < n; i += hn::Lanes(d)) {
      __builtin_prefetch(x + rows_ahead * size.x_stride + static_cast<int64_t>(i));
      const auto v = load(d, dy + i, n - i);
      const auto u = hn::Mul(hn::Sub(hn::Sub(load(d, x + i, n - i), mean), correction), inverse);
      const auto g = hn::Mul(v, load(d, weight + i, n - i));
      sum_g = hn::Add(sum_g, g);
      sum_gu = hn::MulAdd(g, u, sum_gu);
      if (dweight != nullptr) store(hn::MulAdd(v, u, load(d, dweight + i, n - i)), d, dweight + i, n - i);
      if (dbias != nullptr) store(hn::Add(v, load(d, dbias + i, n - i)), d, dbias + i, n - i);
    }
    if (dx == nullptr) continue;
    const auto count = static_cast<double>(n);
    const auto mean_g = hn::Set(d, size.centred ? static_cast<T>(sum_of_lanes(d, sum_g) / count) : T{0});
    const auto mean_gu = hn::Set(d, static_cast<T>(sum_of_lanes(d, sum_gu) / count));
    for (size_t i = 0; i < n; i += hn::Lanes(d)) {
      const auto u = hn::Mul(hn::Sub(hn::Sub(load(d, x + i, n - i), mean), correction), inverse);
      const auto g = hn::Mul(load(d, dy + i, n - i), load(d, weight + i, n - i));
      const auto before = into.add_to_x ? load(d, dx + i, n - i) : hn::Zero(d);
      store(hn::MulAdd(inverse, hn::NegMulAdd(u, mean_gu, hn::Sub(g, mean_g)), before), d, dx + i, n - i);
    }
    dx += size.x_stride;
  }
}

void norm_f32(float* y, RowStatistics<float>* statistics, const float* x, const float* weight, const float* bias,
              const NormRows& size, size_t rows) {
  norm_rows(y, statistics, x, weight, bias, size, rows);
}
void norm_bf16(BFloat16* y, RowStatistics<float>* statistics, const float* x, const float* weight, const float* bias,
               const NormRows& size, size_t rows) {
  norm_rows(y, statistics, x, weight, bias, size, rows);
}
void norm_f64(double* y, RowStatistics<double>* statistics, const double* x, const double* weight, const double* bias,
              const NormRows& size, size_t rows) {
  norm_rows(y, statistics, x, weight, bias, size, rows);
}
void norm_backward_f32(const NormGradients<float>& into, const float* x, const RowStatistics<float>* statistics,
                       const float* weight, const float* dy, const NormRows& size, size_t rows) {
  norm_backward_rows(into, x, statistics, weight, dy, size, rows);
}
void norm_backward_f64(const NormGradients<double>& into, const double* x, const RowStatistics<double>* statistics,
                       const double* weight, const double* dy, const NormRows& size, size_t rows) {
  norm_backward_rows(into, x, statistics, weight, dy, size, rows);
}

}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <vector>

#include "attune/base/parallel.h"

namespace attune::cpu {
HWY_EXPORT(norm_f32);
HWY_EXPORT(norm_bf16);
HWY_EXPORT(norm_f64);
HWY_EXPORT(norm_backward_f32);
HWY_EXPORT(norm_backward_f64);

template <class T, class Y>
void norm(const NormRows& size, Y* y, RowStatistics<T>* statistics, const T* x, const T* weight, const T* bias) {
  if (size.columns == 0) return;
  parallel_for(size.rows, std::max<int64_t>(1, 16384 / size.columns), [&](int64_t begin, int64_t end) {
    RowStatistics<T>* kept = statistics != nullptr ? statistics + begin : nullptr;
    const int64_t at = begin * size.columns, from = begin * size.x_stride;
    const auto rows = static_cast<size_t>(end - begin);
    if constexpr (std::is_same_v<Y, BFloat16>) {
      HWY_DYNAMIC_DISPATCH(norm_bf16)(y + at, kept, x + from, weight, bias, size, rows);
    } else if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(norm_f32)(y + at, kept, x + from, weight, bias, size, rows);
    } else {
      HWY_DYNAMIC_DISPATCH(norm_f64)(y + at, kept, x + from, weight, bias, size, rows);
    }
  });
}

namespace {

constexpr int64_t chunk_rows = 64;  // fixed, so that the sums over rows do not depend on the number of threads

}  // namespace

template <class T>
void sum_parts(T* into, bool add, const T* parts, int64_t count, int64_t stride, int64_t columns) {
  if (into == nullptr) return;
  std::vector<double> total(static_cast<size_t>(columns), 0.0);
  if (add) std::copy_n(into, columns, total.begin());
  for (int64_t p = 0; p < count; ++p, parts += stride) {
    for (int64_t j = 0; j < columns; ++j) total[static_cast<size_t>(j)] += static_cast<double>(parts[j]);
  }
  for (int64_t j = 0; j < columns; ++j) into[j] = static_cast<T>(total[static_cast<size_t>(j)]);
}

template <class T>
void norm_backward(const NormRows& size, const NormGradients<T>& into, const T* x, const RowStatistics<T>* statistics,
                   const T* weight, const T* dy) {
  if (size.columns == 0) return;
  const auto columns = static_cast<size_t>(size.columns);
  const int64_t chunks = (size.rows + chunk_rows - 1) / chunk_rows;
  const bool sums = into.weight != nullptr || into.bias != nullptr;
  // Per chunk its share of dweight, then of dbias; one where there are no rows, whose gradients are 0.
  std::vector<T> parts(sums ? static_cast<size_t>(std::max<int64_t>(chunks, 1)) * 2 * columns : 0, T{0});
  parallel_for(chunks, std::max<int64_t>(1, 16384 / (chunk_rows * size.columns)), [&](int64_t first, int64_t last) {
    for (int64_t chunk = first; chunk < last; ++chunk) {
      const int64_t row = chunk * chunk_rows, at = row * size.columns, from = row * size.x_stride;
      const auto rows = static_cast<size_t>(std::min(chunk_rows, size.rows - row));
      T* part = !sums ? nullptr : parts.data() + static_cast<size_t>(chunk) * 2 * columns;
      const NormGradients<T> here{into.x != nullptr ? into.x + from : nullptr,
                                  into.weight != nullptr ? part : nullptr,
                                  into.bias != nullptr ? part + columns : nullptr,
                                  into.add_to_x,
                                  true,
                                  true};
      if constexpr (sizeof(T) == 4) {
        HWY_DYNAMIC_DISPATCH(norm_backward_f32)(here, x + from, statistics + row, weight, dy + at, size, rows);
      } else {
        HWY_DYNAMIC_DISPATCH(norm_backward_f64)(here, x + from, statistics + row, weight, dy + at, size, rows);
      }
    }
  });
  if (!sums) return;
  sum_parts(into.weight, into.add_to_weight, parts.data(), chunks, 2 * size.columns, size.columns);
  sum_parts(into.bias, into.add_to_bias, parts.data() + columns, chunks, 2 * size.columns, size.columns);
}

template void norm<float, float>(const NormRows&, float*, RowStatistics<float>*, const float*, const float*,
                                 const float*);
template void norm<float, BFloat16>(const NormRows&, BFloat16*, RowStatistics<float>*, const float*, const float*,
                                    const float*);
template void norm<double, double>(const NormRows&, double*, RowStatistics<double>*, const double*, const double*,
                                   const double*);
template void norm_backward<float>(const NormRows&, const NormGradients<float>&, const float*,
                                   const RowStatistics<float>*, const float*, const float*);
template void sum_parts<float>(float*, bool, const float*, int64_t, int64_t, int64_t);
template void sum_parts<double>(double*, bool, const double*, int64_t, int64_t, int64_t);
template void norm_backward<double>(const NormRows&, const NormGradients<double>&, const double*,
                                    const RowStatistics<double>*, const double*, const double*);

}  // namespace attune::cpu
#endif
