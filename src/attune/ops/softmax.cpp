#include "attune/ops/softmax.h"

#include "attune/autograd/tape.h"
#include "attune/base/profile.h"
#include "attune/ops/softmax_cpu.h"

namespace attune {

namespace {
cpu::Rows rows_of(const Tensor& x) {
  return {x.rows(), x.columns()};
}
}  // namespace

Tensor softmax(const Tensor& x) {
  const ProfileScope scope("softmax");
  scope.count(0, 2 * x.bytes());
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    cpu::softmax<T>(rows_of(x), y.data<T>().data(), x.compact().data<T>().data());
  });
  // saved: y alone, the Jacobian is diag(y) - y y^T
  return differentiable("softmax", y, {x}, [y = detach(y)](const Tensor& dy, Adjoints& into) {
    Tensor dx = Tensor::empty(y.shape(), y.dtype());
    ProfileScope::count(0, 3 * y.bytes());
    dispatch_floating(y.dtype(), [&](auto zero) {
      using T = decltype(zero);
      cpu::softmax_backward<T>(rows_of(y), dx.data<T>().data(), y.data<T>().data(), dy.compact().data<T>().data());
    });
    into.add(0, dx);
  });
}

Tensor log_softmax(const Tensor& x) {
  const ProfileScope scope("log_softmax");
  scope.count(0, 2 * x.bytes());
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    cpu::log_softmax<T>(rows_of(x), y.data<T>().data(), x.compact().data<T>().data());
  });
  return differentiable("log_softmax", y, {x}, [y = detach(y)](const Tensor& dy, Adjoints& into) {
    Tensor dx = Tensor::empty(y.shape(), y.dtype());
    ProfileScope::count(0, 3 * y.bytes());
    dispatch_floating(y.dtype(), [&](auto zero) {
      using T = decltype(zero);
      cpu::log_softmax_backward<T>(rows_of(y), dx.data<T>().data(), y.data<T>().data(), dy.compact().data<T>().data());
    });
    into.add(0, dx);
  });
}

}  // namespace attune
