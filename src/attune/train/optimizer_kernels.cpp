#include "attune/train/optimizer_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/train/optimizer_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace attune::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Calls body(index) on whole vectors; the rest is done by `tail` through padded copies, with the same instructions, so
// that an element's bits do not depend on where its chunk ends.
template <class D, class Body, class Tail>
void over_vectors(D d, size_t count, const Body& body, const Tail& tail) {
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= count; i += lanes) body(i);
  if (i < count) tail(i, count - i);
}

template <class T>
struct Padded {
  Padded(const T* from, size_t count) {
    for (size_t i = 0; i < count && from != nullptr; ++i) values[i] = from[i];
  }
  void store(T* to, size_t count) const {
    for (size_t i = 0; i < count; ++i) to[i] = values[i];
  }
  alignas(64) T values[64] = {};  // at least the lanes of any target
};

template <class T>
void adam_vectors(T* p, const T* g, T* m, T* v, const AdamStep<T>& step, size_t count) {
  const hn::ScalableTag<T> d;
  const auto scale = hn::Set(d, step.gradient_scale), l2 = hn::Set(d, step.l2), keep = hn::Set(d, step.keep);
  const auto beta1 = hn::Set(d, step.beta1), beta2 = hn::Set(d, step.beta2);
  const auto rest1 = hn::Set(d, step.rest1), rest2 = hn::Set(d, step.rest2);
  const auto rate = hn::Set(d, step.rate), root_scale = hn::Set(d, step.root_scale);
  const auto epsilon = hn::Set(d, step.epsilon);
  const auto body = [&](size_t i) {
    const auto x = hn::LoadU(d, p + i);
    const auto gradient = hn::MulAdd(l2, x, hn::Mul(scale, hn::LoadU(d, g + i)));
    const auto first = hn::MulAdd(rest1, gradient, hn::Mul(beta1, hn::LoadU(d, m + i)));
    const auto second = hn::MulAdd(rest2, hn::Mul(gradient, gradient), hn::Mul(beta2, hn::LoadU(d, v + i)));
    const auto root = hn::MulAdd(root_scale, hn::Sqrt(second), epsilon);
    hn::StoreU(first, d, m + i);
    hn::StoreU(second, d, v + i);
    hn::StoreU(hn::Sub(hn::Mul(keep, x), hn::Div(hn::Mul(rate, first), root)), d, p + i);
  };
  over_vectors(d, count, body, [&](size_t i, size_t rest) {
    Padded<T> pp(p + i, rest), gg(g + i, rest), mm(m + i, rest), vv(v + i, rest);
    adam_vectors<T>(pp.values, gg.values, mm.values, vv.values, step, hn::Lanes(d));
    pp.store(p + i, rest);
    mm.store(m + i, rest);
    vv.store(v + i, rest);
  });
}

template <class T>
void sgd_vectors(T* p, const T* g, T* b, const SgdStep<T>& step, size_t count) {
  const hn::ScalableTag<T> d;
  const auto scale = hn::Set(d, step.gradient_scale), l2 = hn::Set(d, step.l2), rate = hn::Set(d, step.rate);
  const auto momentum = hn::Set(d, step.momentum), plain = hn::Set(d, step.plain), blend = hn::Set(d, step.blend);
  const auto body = [&](size_t i) {
    const auto x = hn::LoadU(d, p + i);
    auto direction = hn::MulAdd(l2, x, hn::Mul(scale, hn::LoadU(d, g + i)));
    if (b != nullptr) {
      const auto buffer = hn::MulAdd(momentum, hn::LoadU(d, b + i), direction);
      hn::StoreU(buffer, d, b + i);
      direction = hn::MulAdd(blend, buffer, hn::Mul(plain, direction));
    }
    hn::StoreU(hn::NegMulAdd(rate, direction, x), d, p + i);
  };
  over_vectors(d, count, body, [&](size_t i, size_t rest) {
    Padded<T> pp(p + i, rest), gg(g + i, rest), bb(b == nullptr ? nullptr : b + i, rest);
    sgd_vectors<T>(pp.values, gg.values, b == nullptr ? nullptr : bb.values, step, hn::Lanes(d));
    pp.store(p + i, rest);
    if (b != nullptr) bb.store(b + i, rest);
  });
}

template <class T>
void moving_average_vectors(T* mean, const T* x, T decay, size_t count) {
  const hn::ScalableTag<T> d;
  const auto keep = hn::Set(d, decay), rest = hn::Set(d, T{1} - decay);
  const auto body = [&](size_t i) {
    hn::StoreU(hn::MulAdd(rest, hn::LoadU(d, x + i), hn::Mul(keep, hn::LoadU(d, mean + i))), d, mean + i);
  };
  over_vectors(d, count, body, [&](size_t i, size_t left) {
    Padded<T> mm(mean + i, left), xx(x + i, left);
    moving_average_vectors<T>(mm.values, xx.values, decay, hn::Lanes(d));
    mm.store(mean + i, left);
  });
}

void adam_f32(float* p, const float* g, float* m, float* v, const AdamStep<float>& step, size_t count) {
  adam_vectors<float>(p, g, m, v, step, count);
}
void adam_f64(double* p, const double* g, double* m, double* v, const AdamStep<double>& step, size_t count) {
  adam_vectors<double>(p, g, m, v, step, count);
}
void sgd_f32(float* p, const float* g, float* b, const SgdStep<float>& step, size_t count) {
  sgd_vectors<float>(p, g, b, step, count);
}
void sgd_f64(double* p, const double* g, double* b, const SgdStep<double>& step, size_t count) {
  sgd_vectors<double>(p, g, b, step, count);
}
void moving_average_f32(float* mean, const float* x, float decay, size_t count) {
  moving_average_vectors<float>(mean, x, decay, count);
}
void moving_average_f64(double* mean, const double* x, double decay, size_t count) {
  moving_average_vectors<double>(mean, x, decay, count);
}

}  // namespace attune::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "attune/base/check.h"
#include "attune/base/parallel.h"

namespace attune::kernels {
HWY_EXPORT(adam_f32);
HWY_EXPORT(adam_f64);
HWY_EXPORT(sgd_f32);
HWY_EXPORT(sgd_f64);
HWY_EXPORT(moving_average_f32);
HWY_EXPORT(moving_average_f64);

namespace {

constexpr size_t chunk = 1 << 15;

// Calls body(begin, count) on fixed chunks.
template <class Body>
void over_chunks(size_t size, const Body& body) {
  parallel_for(static_cast<int64_t>((size + chunk - 1) / chunk), 1, [&](int64_t first, int64_t last) {
    for (auto c = static_cast<size_t>(first); c < static_cast<size_t>(last); ++c) {
      body(c * chunk, std::min(chunk, size - c * chunk));
    }
  });
}

}  // namespace

template <class T>
void adam(std::span<T> p, std::span<const T> g, std::span<T> m, std::span<T> v, const AdamStep<T>& step) {
  check(p.size() == g.size() && p.size() == m.size() && p.size() == v.size(), "adam: buffers of ", p.size(), ", ",
        g.size(), ", ", m.size(), " and ", v.size(), " elements");
  over_chunks(p.size(), [&](size_t i, size_t count) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(adam_f32)(p.data() + i, g.data() + i, m.data() + i, v.data() + i, step, count);
    } else {
      HWY_DYNAMIC_DISPATCH(adam_f64)(p.data() + i, g.data() + i, m.data() + i, v.data() + i, step, count);
    }
  });
}
template void adam<float>(std::span<float>, std::span<const float>, std::span<float>, std::span<float>,
                          const AdamStep<float>&);
template void adam<double>(std::span<double>, std::span<const double>, std::span<double>, std::span<double>,
                           const AdamStep<double>&);

template <class T>
void sgd(std::span<T> p, std::span<const T> g, std::span<T> buffer, const SgdStep<T>& step) {
  check(p.size() == g.size() && (buffer.empty() || buffer.size() == p.size()), "sgd: buffers of ", p.size(), ", ",
        g.size(), " and ", buffer.size(), " elements");
  over_chunks(p.size(), [&](size_t i, size_t count) {
    T* b = buffer.empty() ? nullptr : buffer.data() + i;
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(sgd_f32)(p.data() + i, g.data() + i, b, step, count);
    } else {
      HWY_DYNAMIC_DISPATCH(sgd_f64)(p.data() + i, g.data() + i, b, step, count);
    }
  });
}
template void sgd<float>(std::span<float>, std::span<const float>, std::span<float>, const SgdStep<float>&);
template void sgd<double>(std::span<double>, std::span<const double>, std::span<double>, const SgdStep<double>&);

template <class T>
void moving_average(std::span<T> mean, std::span<const T> x, T decay) {
  check(mean.size() == x.size(), "moving_average: ", x.size(), " elements into ", mean.size());
  over_chunks(mean.size(), [&](size_t i, size_t count) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(moving_average_f32)(mean.data() + i, x.data() + i, decay, count);
    } else {
      HWY_DYNAMIC_DISPATCH(moving_average_f64)(mean.data() + i, x.data() + i, decay, count);
    }
  });
}
template void moving_average<float>(std::span<float>, std::span<const float>, float);
template void moving_average<double>(std::span<double>, std::span<const double>, double);

}  // namespace attune::kernels
#endif
