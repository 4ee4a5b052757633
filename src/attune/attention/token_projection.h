// Tokens projected along a sequence (Linformer's K' = E K): with W of one head [k, n], for a sequence of length L <= n
//   y_t = sum_{j < L} W_tj x_j,   t = 0 ... k-1
// Shorter sequences take the leading columns of W.
#pragma once

#include "attune/tensor/segments.h"
#include "attune/tensor/tensor.h"

namespace attune::attention {

// x [rows, H, D], weight [H or 1, k, n] -> [sequences * k, H, D]; float32, or float64 (the definition). Strided views
// of x are read in place. The bits of a sequence's rows and of x's gradient depend on neither the batch nor the
// threads; the weight's gradient sums over sequences (and heads that share it) in their order.
Tensor token_projection(const Tensor& x, const Tensor& weight, const Segments& segments);

}  // namespace attune::attention
