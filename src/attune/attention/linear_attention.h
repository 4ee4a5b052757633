// Linear attention (Katharopoulos et al. 2020, "Transformers are RNNs", section 3): feature_attention.h with
//   phi(x) = elu(x) + 1 = x + 1 if x > 0 else exp(x)
// and no 1/sqrt(depth). Three forms of one result: parallel (not causal), causal in chunks of 64 tokens that hand on
// a state, and one token at a time from the state.
#pragma once

#include "attune/attention/feature_attention.h"

namespace attune::attention {

struct LinearOptions {
  bool causal = false;    // token i sees tokens 0 ... i; queries and keys of a sequence are then equally many
  double epsilon = 1e-6;  // added to the denominator
};

// q [Nq, H, D], k [Nk, H, D], v [Nk, H, Dv] -> [Nq, H, Dv]; float32, or float64 (the definition, quadratic). The inputs
// may be strided views. A backward needs disjoint keys. A query without keys gives 0. NaN and infinity in keys and
// values that a query does not see do not reach it. A sequence's rows have the same bits whatever else is in the batch
// and with any number of threads.
Tensor linear_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& queries,
                        const Segments& keys, const LinearOptions& options = {});

// The next token of every sequence: q, k [sequences, H, D], v [sequences, H, Dv] -> [sequences, H, Dv], causal,
// float32, without a gradient; the state is changed in place. Equal to the whole pass but for rounding.
Tensor linear_attention_step(const Tensor& q, const Tensor& k, const Tensor& v, FeatureState& state,
                             const LinearOptions& options = {});

// The state behind the last token of every sequence, for steps to go on from; float32.
FeatureState linear_attention_state(const Tensor& k, const Tensor& v, const Segments& keys);

// phi of every row of x [rows, heads, D], float64, without a gradient: what inspection shows.
Tensor linear_map(const Tensor& x);

}  // namespace attune::attention
