#include "attune/ops/activation.h"

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "attune/autograd/recorder.h"
#include "attune/autograd/tape.h"
#include "attune/base/option_checks.h"
#include "attune/base/profile.h"
#include "attune/ops/activation_cpu.h"

namespace attune {

namespace {
constexpr std::array names{
    std::pair{Activation::identity, std::string_view("identity")},
    std::pair{Activation::relu, std::string_view("relu")},
    std::pair{Activation::gelu, std::string_view("gelu")},
    std::pair{Activation::gelu_tanh, std::string_view("gelu_tanh")},
    std::pair{Activation::silu, std::string_view("silu")},
    std::pair{Activation::sigmoid, std::string_view("sigmoid")},
    std::pair{Activation::tanh, std::string_view("tanh")},
};
}  // namespace

std::string_view name_of(Activation activation) {
  return names[static_cast<size_t>(activation)].second;
}

Activation activation_of_name(std::string_view name) {
  return entry_of_word("activation", name, names, &std::pair<Activation, std::string_view>::second).first;
}

Tensor activate(const Tensor& x, Activation activation) {
  if (activation == Activation::identity) {
    return x;
  }
  const ProfileScope scope(name_of(activation));
  scope.count(0, 2 * x.bytes());
  const Tensor input = x.compact();
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    cpu::activate<T>(activation, x.elements(), y.data<T>().data(), input.data<T>().data());
  });
  // saved: the output where the slope is a function of it (x can then be freed), else the input
  const Tensor saved = detach(cpu::slope_from_output(activation) ? y : input);
  return differentiable(name_of(activation), y, {x}, [activation, saved](const Tensor& dy, Adjoints& into) {
    Tensor dx = Tensor::empty(dy.shape(), dy.dtype());
    ProfileScope::count(0, 3 * dy.bytes());
    dispatch_floating(dy.dtype(), [&](auto zero) {
      using T = decltype(zero);
      cpu::activate_backward<T>(activation, dy.elements(), dx.data<T>().data(), saved.data<T>().data(),
                                dy.compact().data<T>().data());
    });
    into.add(0, dx);
  });
}

namespace {
Shape half_columns(const Tensor& x) {
  check(x.rank() >= 1 && x.columns() % 2 == 0, "glu: expected an even number of columns, found shape ",
        x.shape().text());
  std::vector<int64_t> sizes(x.shape().sizes().begin(), x.shape().sizes().end());
  sizes.back() /= 2;
  return Shape(std::span<const int64_t>(sizes));
}
}  // namespace

Tensor glu(const Tensor& x, Activation gate) {
  const ProfileScope scope("glu");
  const Tensor input = detach(x.compact());
  Tensor y = Tensor::empty(half_columns(x), x.dtype());
  scope.count(0, x.bytes() + y.bytes());
  dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    cpu::glu<T>(gate, y.rows(), y.columns(), y.data<T>().data(), input.data<T>().data());
  });
  if (Recorder::current() != nullptr) {  // the loop keeps no gate
    const NoTape aside;
    record_rows("gates", activate(input.columns_view(y.columns(), y.columns()), gate));
  }
  // saved: x alone; the gate is computed again
  return differentiable("glu", y, {x}, [gate, input](const Tensor& dy, Adjoints& into) {
    Tensor dx = Tensor::empty(input.shape(), input.dtype());
    ProfileScope::count(0, 2 * dx.bytes() + dy.bytes());
    dispatch_floating(dy.dtype(), [&](auto zero) {
      using T = decltype(zero);
      cpu::glu_backward<T>(gate, dy.rows(), dy.columns(), dx.data<T>().data(), input.data<T>().data(),
                           dy.compact().data<T>().data());
    });
    into.add(0, dx);
  });
}

}  // namespace attune
