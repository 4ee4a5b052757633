// One pass over the flat buffers of parameters, gradient and state: bound by memory, so everything an update needs
// (scaling of the gradient, decay, moments) is folded in. Chunks are fixed: the same bits for any number of threads.
#pragma once

#include <span>

namespace attune::kernels {

template <class T>
struct AdamStep {
  T gradient_scale;
  T l2;    // added to the gradient: l2 * parameter
  T keep;  // factor on the parameter: 1 - rate * decoupled decay
  T beta1, beta2;
  T rest1, rest2;  // 1 - beta
  T rate;          // learning rate / (1 - beta1^t)
  T root_scale;    // 1 / sqrt(1 - beta2^t)
  T epsilon;
};
// m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;  p = keep p - rate m / (root_scale sqrt(v) + epsilon)
template <class T>
void adam(std::span<T> parameters, std::span<const T> gradient, std::span<T> m, std::span<T> v,
          const AdamStep<T>& step);

template <class T>
struct SgdStep {
  T gradient_scale;
  T l2;
  T momentum;
  T plain;  // weight of the gradient in the step: 0, or 1 for Nesterov's
  T blend;  // weight of the buffer in the step: 1, or the momentum for Nesterov's
  T rate;
};
// b = momentum b + g;  p -= rate (plain g + blend b). With an empty buffer: p -= rate g.
template <class T>
void sgd(std::span<T> parameters, std::span<const T> gradient, std::span<T> buffer, const SgdStep<T>& step);

// mean = decay mean + (1 - decay) x
template <class T>
void moving_average(std::span<T> mean, std::span<const T> x, T decay);

}  // namespace attune::kernels
