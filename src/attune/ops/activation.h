// The elementwise non-linearities, and the gated linear units built from them.
#pragma once

#include <string_view>

#include "attune/tensor/tensor.h"

namespace attune {

// gelu: x Phi(x) with erf (Hendrycks and Gimpel 2016); gelu_tanh: its tanh approximation; silu: x sigmoid(x).
enum class Activation : uint8_t { identity, relu, gelu, gelu_tanh, silu, sigmoid, tanh };

std::string_view name_of(Activation activation);
Activation activation_of_name(std::string_view name);  // throws and lists the known names

Tensor activate(const Tensor& x, Activation activation);
inline Tensor relu(const Tensor& x) {
  return activate(x, Activation::relu);
}
inline Tensor gelu(const Tensor& x) {
  return activate(x, Activation::gelu);
}
inline Tensor gelu_tanh(const Tensor& x) {
  return activate(x, Activation::gelu_tanh);
}
inline Tensor silu(const Tensor& x) {
  return activate(x, Activation::silu);
}
inline Tensor sigmoid(const Tensor& x) {
  return activate(x, Activation::sigmoid);
}
inline Tensor tanh(const Tensor& x) {
  return activate(x, Activation::tanh);
}

// x [..., 2 d] = (a | b) -> a * activation(b)  [..., d] (Dauphin 2017; Shazeer 2020 for the other activations)
Tensor glu(const Tensor& x, Activation gate = Activation::sigmoid);

}  // namespace attune
