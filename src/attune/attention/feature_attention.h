// Attention by feature maps: out_i = sum_j P_ij v_j, P_ij = phi(q_i).phi(k_j) / (sum_j' phi(q_i).phi(k_j') + epsilon).
// The sums over j can be taken before the queries come, S = sum_j phi(k_j) v_j' and z = sum_j phi(k_j), so that time is
// linear in the length and a causal decoder's past is a state of constant size. The mechanisms differ in phi alone:
// linear_attention.h, performer.h.
#pragma once

#include "attune/tensor/segments.h"
#include "attune/tensor/tensor.h"

namespace attune::attention {

// What a causal decoder keeps of its past, however long. float32. None given: no past.
struct FeatureState {
  Tensor sums;        // S [sequences, heads, features, value depth]
  Tensor normaliser;  // z [sequences, heads, features]
  Tensor log_scale;   // c [sequences, heads]: S and z stand for exp(c) times themselves; not given where phi is bounded
};

}  // namespace attune::attention
