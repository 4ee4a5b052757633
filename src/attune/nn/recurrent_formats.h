// Recurrent layers with the weights of other libraries, which order and share them differently:
//   PyTorch (nn.RNN, nn.GRU, nn.LSTM)  gates as here (LSTM i f g o, GRU r z n with the reset after the product), two
//                                      biases, which are summed but where r stands between them
//   TensorFlow 1 (BasicLSTMCell)       one kernel for input and state, gates i j f o (j: g here), and a forget bias
//   that
//                                      is added at every step and stored nowhere
#pragma once

#include "attune/nn/recurrent.h"

namespace attune {

// Under PyTorch's names, "_l0" and "_reverse" left out. G: gates times H.
struct PytorchRecurrent {
  Tensor weight_ih, weight_hh;  // [G, in], [G, H]
  Tensor bias_ih, bias_hh;      // [G], or both not given
};

// The layer's parameters must be allocated. Throws where a shape does not fit, or a GRU resets before the product.
void load_pytorch(RecurrentLayer& layer, const PytorchRecurrent& weights);

// kernel [in + H, 4 H], bias [4 H]
void load_tensorflow_lstm(RecurrentLayer& layer, const Tensor& kernel, const Tensor& bias, double forget_bias = 1);

}  // namespace attune
