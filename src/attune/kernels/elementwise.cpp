#include "attune/kernels/elementwise.h"

#include <bit>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/kernels/elementwise.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// after highway.h
#include "attune/kernels/bfloat16-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
void scale_add_range(T* y, T a, const T* x, T b, size_t count) {
  const hn::ScalableTag<T> d;
  const auto va = hn::Set(d, a), vb = hn::Set(d, b);
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  if (b == T{0}) {
    for (; i + lanes <= count; i += lanes) hn::StoreU(hn::Mul(va, hn::LoadU(d, x + i)), d, y + i);
    for (; i < count; ++i) y[i] = a * x[i];
    return;
  }
  for (; i + lanes <= count; i += lanes) {
    hn::StoreU(hn::MulAdd(va, hn::LoadU(d, x + i), hn::Mul(vb, hn::LoadU(d, y + i))), d, y + i);
  }
  for (; i < count; ++i) y[i] = a * x[i] + b * y[i];
}

void scale_add_f32(float* y, float a, const float* x, float b, size_t n) {
  scale_add_range(y, a, x, b, n);
}
void scale_add_f64(double* y, double a, const double* x, double b, size_t n) {
  scale_add_range(y, a, x, b, n);
}

void to_bfloat16_range(uint16_t* HWY_RESTRICT y, const float* HWY_RESTRICT x, size_t count) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<uint16_t, decltype(d)> d16;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(rounded_bits(d, hn::LoadU(d, x + i)), d16, y + i);
  for (; i < count; ++i) y[i] = BFloat16(x[i]).bits;
}

void from_bfloat16_range(float* HWY_RESTRICT y, const uint16_t* HWY_RESTRICT x, size_t count) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<uint16_t, decltype(d)> d16;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(widened(d, hn::LoadU(d16, x + i)), d, y + i);
  for (; i < count; ++i) y[i] = std::bit_cast<float>(static_cast<uint32_t>(x[i]) << 16);
}

double sum_of_squares_f32(const float* x, size_t count) {
  const hn::ScalableTag<double> d;
  const hn::Rebind<float, decltype(d)> df;
  auto s0 = hn::Zero(d), s1 = hn::Zero(d);
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto a = hn::PromoteTo(d, hn::LoadU(df, x + i)), b = hn::PromoteTo(d, hn::LoadU(df, x + i + lanes));
    s0 = hn::MulAdd(a, a, s0);
    s1 = hn::MulAdd(b, b, s1);
  }
  double total = hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1)));
  for (; i < count; ++i) total += static_cast<double>(x[i]) * x[i];
  return total;
}

double sum_of_squares_f64(const double* x, size_t count) {
  double total = 0;
  for (size_t i = 0; i < count; ++i) total += x[i] * x[i];
  return total;
}

}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <vector>

#include "attune/base/check.h"
#include "attune/base/parallel.h"

namespace attune::kernels {
HWY_EXPORT(scale_add_f32);
HWY_EXPORT(scale_add_f64);
HWY_EXPORT(to_bfloat16_range);
HWY_EXPORT(from_bfloat16_range);
HWY_EXPORT(sum_of_squares_f32);
HWY_EXPORT(sum_of_squares_f64);

namespace {
// Ranges are whole blocks, so that which elements a vector loop leaves to its scalar tail never depends on threads.
constexpr int64_t block = 4096;

template <class Fn>
void each_block_range(size_t count, Fn&& fn) {
  const auto blocks = (static_cast<int64_t>(count) + block - 1) / block;
  parallel_for(blocks, 8, [&](int64_t begin, int64_t end) {
    const int64_t last = std::min(static_cast<int64_t>(count), end * block);
    fn(begin * block, static_cast<size_t>(last - begin * block));
  });
}
}  // namespace

template <class T>
void scale_add(std::span<T> y, T a, std::span<const T> x, T b) {
  check(y.size() == x.size(), "scale_add: ", x.size(), " elements into ", y.size());
  each_block_range(y.size(), [&](int64_t begin, size_t count) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(scale_add_f32)(y.data() + begin, a, x.data() + begin, b, count);
    } else {
      HWY_DYNAMIC_DISPATCH(scale_add_f64)(y.data() + begin, a, x.data() + begin, b, count);
    }
  });
}
template void scale_add<float>(std::span<float>, float, std::span<const float>, float);
template void scale_add<double>(std::span<double>, double, std::span<const double>, double);

template <class T>
void add_into(std::span<T> y, std::span<const T> x) {
  scale_add<T>(y, T{1}, x, T{1});
}
template void add_into<float>(std::span<float>, std::span<const float>);
template void add_into<double>(std::span<double>, std::span<const double>);

template <class T>
double sum_of_squares(std::span<const T> x) {
  constexpr size_t chunk = 65536;
  std::vector<double> parts((x.size() + chunk - 1) / chunk);
  parallel_for(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const size_t from = static_cast<size_t>(p) * chunk;
      const size_t count = std::min(chunk, x.size() - from);
      if constexpr (sizeof(T) == 4) {
        parts[static_cast<size_t>(p)] = HWY_DYNAMIC_DISPATCH(sum_of_squares_f32)(x.data() + from, count);
      } else {
        parts[static_cast<size_t>(p)] = HWY_DYNAMIC_DISPATCH(sum_of_squares_f64)(x.data() + from, count);
      }
    }
  });
  double total = 0;
  for (double part : parts) total += part;
  return total;
}
template double sum_of_squares<float>(std::span<const float>);
template double sum_of_squares<double>(std::span<const double>);

void to_bfloat16(std::span<BFloat16> y, std::span<const float> x) {
  check(y.size() == x.size(), "to_bfloat16: ", x.size(), " elements into ", y.size());
  static_assert(sizeof(BFloat16) == 2);
  each_block_range(y.size(), [&](int64_t begin, size_t count) {
    HWY_DYNAMIC_DISPATCH(to_bfloat16_range)(reinterpret_cast<uint16_t*>(y.data()) + begin, x.data() + begin, count);
  });
}

void from_bfloat16(std::span<float> y, std::span<const BFloat16> x) {
  check(y.size() == x.size(), "from_bfloat16: ", x.size(), " elements into ", y.size());
  each_block_range(y.size(), [&](int64_t begin, size_t count) {
    HWY_DYNAMIC_DISPATCH(from_bfloat16_range)
    (y.data() + begin, reinterpret_cast<const uint16_t*>(x.data()) + begin, count);
  });
}

}  // namespace attune::kernels
#endif
