#include "attune/ops/binary_cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"

namespace attune {

namespace {

constexpr int64_t chunk = 4096;  // elements; fixed, so that the sum does not depend on threads

template <class T>
double loss_of(const T* x, const T* y, int64_t elements) {
  std::vector<double> parts(static_cast<size_t>((elements + chunk - 1) / chunk));
  parallel_for(static_cast<int64_t>(parts.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      double part = 0;
      for (int64_t i = p * chunk; i < std::min(elements, (p + 1) * chunk); ++i) {
        const double logit = x[i], target = y[i];
        part += std::max(logit, 0.0) - logit * target + std::log1p(std::exp(-std::fabs(logit)));
      }
      parts[static_cast<size_t>(p)] = part;
    }
  });
  return std::accumulate(parts.begin(), parts.end(), 0.0);
}

template <class T>
Tensor gradient_of(const Tensor& logits, const Tensor& targets, double dy) {
  Tensor gradient = Tensor::empty(logits.shape(), logits.dtype());
  const T *x = logits.pointer<T>(), *y = targets.pointer<T>();
  T* to = gradient.pointer<T>();
  parallel_for(logits.elements(), chunk, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      // exp of a negative number only, so that nothing overflows
      const double tail = std::exp(-std::fabs(static_cast<double>(x[i])));
      const double sigmoid = (x[i] >= 0 ? 1.0 : tail) / (1.0 + tail);
      to[i] = static_cast<T>(dy * (sigmoid - static_cast<double>(y[i])));
    }
  });
  return gradient;
}

}  // namespace

Tensor binary_cross_entropy_with_logits(const Tensor& logits, const Tensor& targets) {
  const ProfileScope scope("binary_cross_entropy");
  scope.count(0, logits.bytes() + targets.bytes());
  check(logits.shape() == targets.shape() && logits.dtype() == targets.dtype(), "binary_cross_entropy: logits ",
        name_of(logits.dtype()), " ", logits.shape(), ", targets ", name_of(targets.dtype()), " ",
        targets.shape().text(), ", expected equal ones");
  return dispatch_floating(logits.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor x = detach(logits.compact()), y = detach(targets.compact());
    const double loss = loss_of(x.pointer<T>(), y.pointer<T>(), x.elements());
    return differentiable("binary_cross_entropy", Tensor::scalar(loss, logits.dtype()), {logits},
                          [x, y](const Tensor& dy, Adjoints& into) { into.add(0, gradient_of<T>(x, y, dy.item())); });
  });
}

}  // namespace attune
