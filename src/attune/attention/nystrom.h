// Nystromformer (Xiong et al. 2021, section 3): softmax attention by m landmarks, the means of m stretches of queries
// and of keys (q~, k~),
//   F = softmax(q k~' / sqrt(depth)),  A = softmax(q~ k~' / sqrt(depth)),  B = softmax(q~ k' / sqrt(depth))
//   out = F A+ (B V) + convolution of V along the tokens (optional)
// A+ is iterated: Z_0 = A' / (largest row sum of |A| x largest column sum), then
//   Z <- Z (13 I - A Z (15 I - A Z (7 I - A Z))) / 4
// The first factor is 1 here, rows of A being weights; both are each head's own (the published code may take the
// largest of a whole batch). Stretch t of a sequence of length L is tokens floor(t L / m) ... floor((t + 1) L / m) - 1;
// shorter sequences have a landmark for each token, and are exact once the iteration has converged. F and B are
// scaled_dot's, so that memory is linear in the length; the backward iterates again, and only it keeps the rounds of a
// head.
#pragma once

#include "attune/tensor/segments.h"
#include "attune/tensor/tensor.h"

namespace attune::attention {

struct NystromOptions {
  bool causal = false;      // throws: there is no causal form, since landmarks are means over later tokens as well
  int landmarks = 64;       // m
  int rounds = 6;           // of the iteration
  Tensor convolution = {};  // [H, taps], an odd number of them, or none: y_i += sum_t w_t v_(i + t - taps / 2) by heads
};

// q, k [N, H, D], v [N, H, Dv], tokens of the same sequences -> [N, H, Dv]; float32, or float64 (the definition). The
// inputs may be strided views. A sequence's rows have the same bits whatever else is in the batch and with any number
// of threads; the convolution's gradient sums over sequences in their order.
Tensor nystrom(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& segments,
               const NystromOptions& options = {});

}  // namespace attune::attention
