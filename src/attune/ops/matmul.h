// C = A B for matrices, each operand optionally used transposed.
#pragma once

#include "attune/tensor/tensor.h"

namespace attune {

struct MatmulOptions {
  bool transpose_a = false, transpose_b = false;
};

// a [M, K] (or [K, M] transposed), b [K, N] (or [N, K] transposed) -> [M, N]
Tensor matmul(const Tensor& a, const Tensor& b, const MatmulOptions& options = {});

}  // namespace attune
