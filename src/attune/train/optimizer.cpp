#include "attune/train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "attune/base/profile.h"
#include "attune/kernels/elementwise.h"
#include "attune/train/optimizer_kernels.h"
#include "attune/train/options.h"

namespace attune {

using Kind = OptimizerOptions::Kind;

OptimizerOptions optimizer_options(const TrainOptions& options) {
  OptimizerOptions result;
  result.kind = options.optimizer == "sgd" ? Kind::sgd : options.optimizer == "adamw" ? Kind::adamw : Kind::adam;
  result.beta1 = options.adam_beta1;
  result.beta2 = options.adam_beta2;
  result.epsilon = options.adam_epsilon;
  result.weight_decay = options.weight_decay;
  result.momentum = options.momentum;
  result.nesterov = options.nesterov;
  return result;
}

Optimizer::Optimizer(const OptimizerOptions& options, int64_t elements, DType dtype) : options_(options) {
  // Flat buffers have padding between parameters: with epsilon 0 a step there would be 0 / 0.
  check(options.kind == Kind::sgd || options.epsilon > 0, "optimizer: epsilon must be above 0, got ", options.epsilon);
  if (options.kind != Kind::sgd) {
    m_ = Tensor::zeros({elements}, dtype);
    v_ = Tensor::zeros({elements}, dtype);
  } else if (options.momentum > 0) {
    m_ = Tensor::zeros({elements}, dtype);
  }
}

std::vector<std::pair<std::string, Tensor>> Optimizer::state() const {
  if (v_) {
    return {{"m", m_}, {"v", v_}};
  }
  if (m_) {
    return {{"momentum", m_}};
  }
  return {};
}

void Optimizer::step(Tensor& parameters, const Tensor& gradient, const Step& step) {
  const ProfileScope scope("optimizer_step");
  scope.count(0, 3 * parameters.bytes() + 2 * ((m_ ? m_.bytes() : 0) + (v_ ? v_.bytes() : 0)));
  ++steps_;
  const double rate = step.learning_rate, decay = options_.weight_decay;
  dispatch_floating(parameters.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if (options_.kind == Kind::sgd) {
      const kernels::SgdStep<T> with{static_cast<T>(step.gradient_scale),
                                     static_cast<T>(decay),
                                     static_cast<T>(options_.momentum),
                                     static_cast<T>(options_.nesterov ? 1 : 0),
                                     static_cast<T>(options_.nesterov ? options_.momentum : 1),
                                     static_cast<T>(rate)};
      kernels::sgd<T>(parameters.data<T>(), gradient.data<T>(), m_ ? m_.data<T>() : std::span<T>(), with);
      return;
    }
    const bool decoupled = options_.kind == Kind::adamw;
    const auto t = static_cast<double>(steps_);
    const kernels::AdamStep<T> with{static_cast<T>(step.gradient_scale),
                                    static_cast<T>(decoupled ? 0 : decay),
                                    static_cast<T>(decoupled ? 1 - rate * decay : 1),
                                    static_cast<T>(options_.beta1),
                                    static_cast<T>(options_.beta2),
                                    static_cast<T>(1 - options_.beta1),
                                    static_cast<T>(1 - options_.beta2),
                                    static_cast<T>(rate / (1 - std::pow(options_.beta1, t))),
                                    static_cast<T>(1 / std::sqrt(1 - std::pow(options_.beta2, t))),
                                    static_cast<T>(options_.epsilon)};
    kernels::adam<T>(parameters.data<T>(), gradient.data<T>(), m_.data<T>(), v_.data<T>(), with);
  });
  parameters.storage()->changed();
}

double norm_of(const Tensor& flat) {
  const ProfileScope scope("norm");
  scope.count(0, flat.bytes());
  return dispatch_floating(flat.dtype(), [&](auto zero) {
    using T = decltype(zero);
    return std::sqrt(kernels::sum_of_squares<T>(flat.data<T>()));
  });
}

void update_moving_average(Tensor& mean, const Tensor& x, double decay, int64_t update) {
  const ProfileScope scope("moving_average");
  scope.count(0, 3 * mean.bytes());
  const double soon = static_cast<double>(1 + update) / static_cast<double>(10 + update);
  dispatch_floating(mean.dtype(), [&](auto zero) {
    using T = decltype(zero);
    kernels::moving_average<T>(mean.data<T>(), x.data<T>(), static_cast<T>(std::min(decay, soon)));
  });
  mean.storage()->changed();
}

}  // namespace attune
