// Recurrent cells, one step at a time: what follows the products with the step's input and with the state before. The
// products themselves are the caller's (ops/step_linear.h), whole sequences at once are ops/recurrence.h.
//
//   tanh  h' = tanh(z)                                               z = W x + b + U h
//   LSTM  c' = sigmoid(f) c + sigmoid(i) tanh(g),  h' = sigmoid(o) tanh(c')    (i f g o) = W x + b + U h
//         (Hochreiter and Schmidhuber 1997; forget gate: Gers 2000; PyTorch's order of gates)
//   GRU   h' = (1 - u) n + u h,  n = tanh(candidate),  (r u) = sigmoid(W x + b + U h)
//         reset before the product (Cho 2014; Bahdanau 2015):  candidate = W_n x + b_n + U_n (r h)
//         reset after it (cuDNN, PyTorch):                     candidate = W_n x + b_n + r (U_n h + c_n)
//         (u is the share of the OLD state, as in PyTorch; Bahdanau writes the share of the new one)
#pragma once

#include "attune/tensor/tensor.h"

namespace attune {

struct LstmState {
  Tensor h, c;  // [n, H]
};
// z [n, 4 H] = i f g o before their non-linearities, c [n, H]
LstmState lstm_cell(const Tensor& z, const Tensor& c);

struct GruGates {
  Tensor product;  // [n, H] = base + sigmoid(r) factor
  Tensor update;   // [n, H] = sigmoid(u)
};
// z [n, 2 H] = r u before their non-linearities. factor [n, H]: what the reset gate lets through, the state before the
// product with U_n, or that product; then base [n, H] is what it is added to, the input's share of the candidate.
GruGates gru_gates(const Tensor& z, const Tensor& factor, const Tensor& base = {});
// update [n, H], candidate [n, H] before its tanh, h [n, H] the state before -> the state
Tensor gru_blend(const Tensor& update, const Tensor& candidate, const Tensor& h);

}  // namespace attune
