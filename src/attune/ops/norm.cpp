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
T* destination_of(Adjoints& into, size_t input, bool* add) {
  if (!into.wants(input)) {
    return nullptr;
  }
  auto [tensor, accumulate] = into.destination(input);
  *add = accumulate;
  return tensor.template data<T>().data();
}

struct Form {
  std::string_view op;
  bool centred;
};

template <class T>
void normalised_rows(const cpu::NormRows& size, Tensor& y, cpu::RowStatistics<T>* statistics, const Tensor& x,
                     const Tensor& weight, const Tensor& bias) {
  const T* shift = bias ? bias.data<T>().data() : nullptr;
  if constexpr (std::is_same_v<T, float>) {
    if (y.dtype() == DType::bfloat16) {
      cpu::norm<T, BFloat16>(size, y.data<BFloat16>().data(), statistics, x.data<T>().data(), weight.data<T>().data(),
                             shift);
      return;
    }
  }
  cpu::norm<T, T>(size, y.data<T>().data(), statistics, x.data<T>().data(), weight.data<T>().data(), shift);
}

Tensor normalise(const Form& form, const Tensor& x, const Tensor& weight, const Tensor& bias,
                 const NormOptions& options) {
  const std::string_view op = form.op;
  const ProfileScope scope(op);
  check(x.rank() >= 1, op, ": expected [..., columns], found a scalar");
  check(options.epsilon >= 0, op, ": epsilon is ", options.epsilon, ", expected at least 0");
  check_row(op, "weight", weight, x);
  if (bias) {
    check_row(op, "bias", bias, x);
  }
  const bool rounded = options.result == DType::bfloat16;
  check(!rounded || x.dtype() == DType::float32, op, ": a bfloat16 result needs a float32 x, found ",
        name_of(x.dtype()));
  const Tensor rows = detach(x.compact()), factors = detach(weight.compact());
  const cpu::NormRows size{x.rows(), x.columns(), options.epsilon, form.centred};
  Tensor y = Tensor::empty(x.shape(), rounded ? DType::bfloat16 : x.dtype());
  scope.count(0, x.bytes() + y.bytes());
  return dispatch_floating(x.dtype(), [&](auto zero) {
    using T = decltype(zero);
    const bool keep = recording({&x, &weight, &bias});
    static_assert(sizeof(cpu::RowStatistics<T>) == 3 * sizeof(T));
    Tensor statistics = Tensor::empty({keep ? size.rows : 0, 3}, x.dtype());
    const auto at = [](auto& tensor) { return tensor.template data<T>().data(); };
    normalised_rows<T>(size, y, keep ? reinterpret_cast<cpu::RowStatistics<T>*>(at(statistics)) : nullptr, rows,
                       factors, bias ? bias.compact() : Tensor());
    // saved: x and three numbers per row; the normalised rows are cheaper to make again than to read
    return differentiable(op, y, {x, weight, bias}, [=](const Tensor& dy, Adjoints& into) {
      ProfileScope::count(0, 3 * dy.bytes());
      cpu::NormGradients<T> gradients{};
      gradients.x = destination_of<T>(into, x_input, &gradients.add_to_x);
      gradients.weight = destination_of<T>(into, weight_input, &gradients.add_to_weight);
      gradients.bias = destination_of<T>(into, bias_input, &gradients.add_to_bias);
      cpu::norm_backward<T>(size, gradients, at(rows),
                            reinterpret_cast<const cpu::RowStatistics<T>*>(statistics.data<T>().data()), at(factors),
                            dy.compact().data<T>().data());
    });
  });
}

}  // namespace

Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const NormOptions& options) {
  return normalise({"layer_norm", true}, x, weight, bias, options);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, const NormOptions& options) {
  return normalise({"rms_norm", false}, x, weight, {}, options);
}

}  // namespace attune
