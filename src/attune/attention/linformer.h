// Linformer (Wang et al. 2020, section 4): keys and values projected from n tokens to k before softmax attention,
//   out = softmax(q (E K)' / sqrt(depth)) (F V)
// E and F are learnt for n tokens; a shorter sequence takes their leading columns, a longer one is an error. How they
// are shared is who passes what: one [1, k, n] each or one for every head [H, k, n] (the paper's "none"), "headwise"
// [1, k, n], "key-value" the same tensor for E and F, "layerwise" that tensor in all layers. With E = F = I and L = n =
// k it is full attention, bit for bit. The fused path projects by products and goes on with scaled_dot.
#pragma once

#include "attune/attention/scaled_dot.h"

namespace attune::attention {

struct LinformerOptions {
  bool causal = false;  // throws: there is no causal form, since every projected key mixes earlier and later tokens
  Dropout dropout = {};
};

// q [Nq, H, D], k [Nk, H, D], v [Nk, H, Dv]; E, F [H or 1, k, n] -> [Nq, H, Dv]; float32, or float64 (the definition).
// The inputs may be strided views. A sequence's rows have the same bits whatever else is in the batch and with any
// number of threads.
struct LinformerInputs {
  Tensor q, k, v;
  Tensor key_projection, value_projection;  // E, F
};
Tensor linformer(const LinformerInputs& inputs, const Segments& queries, const Segments& keys,
                 const LinformerOptions& options = {});

}  // namespace attune::attention
