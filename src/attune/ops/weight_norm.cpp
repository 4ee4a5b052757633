#include "attune/ops/weight_norm.h"

#include <optional>

#include "attune/autograd/tape.h"
#include "attune/base/profile.h"
#include "attune/ops/weight_norm_cpu.h"

namespace attune {

namespace {

template <class T>
void backward(const Tensor& v, const Tensor& g, const Tensor& dw, Adjoints& into) {
  std::optional<Adjoints::Destination> of_v, of_g;
  if (into.wants(0)) {
    of_v = into.destination(0);
  }
  if (into.wants(1)) {
    of_g = into.destination(1);
  }
  const cpu::WeightNormGradients<T> to{of_v ? of_v->into.pointer<T>() : nullptr,
                                       of_g ? of_g->into.pointer<T>() : nullptr, of_v && of_v->accumulate,
                                       of_g && of_g->accumulate};
  cpu::weight_norm_backward<T>(v.rows(), v.columns(), to, v.pointer<T>(), g.pointer<T>(), dw.compact().pointer<T>());
}

}  // namespace

Tensor weight_norm(const Tensor& v, const Tensor& g) {
  const ProfileScope scope("weight_norm");
  check(v.rank() == 2 && g.rank() == 1 && g.size(0) == v.size(0) && g.dtype() == v.dtype(), "weight_norm: v ",
        v.shape(), " and g ", g.shape(), " must be [rows, columns] and [rows] of the same type");
  const Tensor direction = detach(v.compact()), length = detach(g.compact());
  Tensor w = Tensor::empty(v.shape(), v.dtype());
  scope.count(0, 2 * w.bytes());
  return dispatch_floating(v.dtype(), [&](auto zero) {
    using T = decltype(zero);
    cpu::weight_norm<T>(v.rows(), v.columns(), w.pointer<T>(), direction.pointer<T>(), length.pointer<T>());
    return differentiable("weight_norm", w, {v, g}, [direction, length](const Tensor& dw, Adjoints& into) {
      ProfileScope::count(0, 3 * dw.bytes());
      backward<T>(direction, length, dw, into);
    });
  });
}

}  // namespace attune
