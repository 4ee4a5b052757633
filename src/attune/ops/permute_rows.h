// The rows of a matrix in another order, every one once: between packed and time-major sequences.
#pragma once

#include <span>

#include "attune/tensor/tensor.h"

namespace attune {

// y[i] = x[from[i]], of x [n, d]; to[from[i]] = i is the way back, which the backward takes.
Tensor permute_rows(const Tensor& x, std::span<const int32_t> from, std::span<const int32_t> to);

}  // namespace attune
