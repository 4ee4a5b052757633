#include "attune/ops/maxout.h"

#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"

namespace attune {

namespace {

constexpr int64_t grain = 32768;  // pairs worth a thread

// saved: x; NaN wins over everything
template <class T>
Tensor larger_of_pairs(const Tensor& x, const Shape& shape) {
  Tensor y = Tensor::empty(shape, x.dtype());
  const T* from = x.pointer<T>();
  T* to = y.pointer<T>();
  parallel_for(y.elements(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T a = from[2 * i], b = from[2 * i + 1];
      to[i] = a >= b || a != a ? a : b;
    }
  });
  return y;
}

template <class T>
Tensor to_the_larger(const Tensor& x, const Tensor& dy) {
  Tensor dx = Tensor::empty(x.shape(), x.dtype());
  const T *from = x.pointer<T>(), *slope = dy.pointer<T>();
  T* to = dx.pointer<T>();
  parallel_for(dy.elements(), grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T a = from[2 * i], b = from[2 * i + 1];
      const bool first = a >= b || a != a;
      to[2 * i] = first ? slope[i] : T{0};
      to[2 * i + 1] = first ? T{0} : slope[i];
    }
  });
  return dx;
}

}  // namespace

Tensor maxout(const Tensor& x) {
  const ProfileScope scope("maxout");
  check(x.rank() == 2 && x.columns() % 2 == 0, "maxout: x ", x.shape(), ", expected [rows, an even number]");
  return dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const Tensor read = detach(x.compact());
    scope.count(0, 1.5 * read.bytes());
    return differentiable("maxout", larger_of_pairs<T>(read, {x.size(0), x.columns() / 2}), {x},
                          [read](const Tensor& dy, Adjoints& into) {
                            ProfileScope::count(0, 2.5 * read.bytes());
                            into.add(0, to_the_larger<T>(read, dy.compact()));
                          });
  });
}

}  // namespace attune
