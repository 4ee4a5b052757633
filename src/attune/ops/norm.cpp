// Layer and RMS normalisation: one op, centred or not.
#include "attune/autograd/tape.h"
#include "attune/base/profile.h"
#include "attune/ops/layer_norm.h"
#include "attune/ops/norm_cpu.h"
#include "attune/ops/rms_norm.h"

namespace attune {

namespace {

constexpr size_t x_input = 0, weight_input = 1, bias_input = 2;

void check_row(std::string_view op, std::string_view what, const Tensor& row, const Tensor& x) {
  check(row.shape() == Shape{x.columns()}, op, ": ", what, " has shape ", row.shape(), ", expected [", x.columns(),
        "], the columns of x ", x.shape());
  check(row.dtype() == x.dtype(), op, ": ", what, " is ", name_of(row.dtype()), " but x is ", name_of(x.dtype()));
}

// The memory of input i's gradient, to be filled by the kernel; null when nobody wants it.
template <class T>
T* weight_destination(Adjoints& into, size_t input, bool* add) {
  if (!into.wants(input)) {
    return nullptr;
  }
  auto [tensor, accumulate] = into.destination(input);
  *add = accumulate;
  return tensor.template data<T>().data();
}

Tensor normalise(std::string_view op, const Tensor& x, const Tensor& weight, const Tensor& bias, double epsilon,
                 bool centred) {
  const ProfileScope scope(op);
  scope.count(0, 2 * x.bytes());
  check(x.rank() >= 1, op, ": expected [..., columns], found a scalar");
  check(epsilon >= 0, op, ": epsilon is ", epsilon, ", expected at least 0");
  check_row(op, "weight", weight, x);
  if (bias) {
    check_row(op, "bias", bias, x);
  }
  const Tensor rows = detach(x.compact()), factors = detach(weight.compact());
  const cpu::NormRows size{x.rows(), x.columns(), epsilon, centred};
  Tensor y = Tensor::empty(x.shape(), x.dtype());
  return dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const bool keep = recording({&x, &weight, &bias});
    static_assert(sizeof(cpu::RowStatistics<T>) == 3 * sizeof(T));
    Tensor statistics = Tensor::empty({keep ? size.rows : 0, 3}, x.dtype());
    const auto at = [](auto& tensor) { return tensor.template data<T>().data(); };
    cpu::norm<T>(size, at(y), keep ? reinterpret_cast<cpu::RowStatistics<T>*>(at(statistics)) : nullptr, at(rows),
                 at(factors), bias ? bias.compact().data<T>().data() : nullptr);
    // saved: x and three numbers per row; the normalised rows are cheaper to make again than to read
    return differentiable(op, y, {x, weight, bias}, [=](const Tensor& dy, Adjoints& into) {
      ProfileScope::count(0, 3 * dy.bytes());
      Tensor dx = into.wants(x_input) ? Tensor::empty(dy.shape(), dy.dtype()) : Tensor();
      cpu::NormGradients<T> gradients{};
      gradients.x = dx ? dx.data<T>().data() : nullptr;
      gradients.weight = weight_destination<T>(into, weight_input, &gradients.add_to_weight);
      gradients.bias = weight_destination<T>(into, bias_input, &gradients.add_to_bias);
      cpu::norm_backward<T>(size, gradients, at(rows),
                            reinterpret_cast<const cpu::RowStatistics<T>*>(statistics.data<T>().data()), at(factors),
                            dy.compact().data<T>().data());
      if (dx) {
        into.add(x_input, dx);
      }
    });
  });
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const NormOptions& options) {
  return normalise("layer_norm", x, weight, bias, options.epsilon, true);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, const NormOptions& options) {
  return normalise("rms_norm", x, weight, {}, options.epsilon, false);
}

}  // namespace attune
