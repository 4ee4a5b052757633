// Maxout over pairs (Goodfellow 2013): y_j = max(x_2j, x_2j+1).
#pragma once

#include "attune/tensor/tensor.h"

namespace attune {

// x [rows, 2 n] -> [rows, n]. The gradient goes to the larger one of a pair, of equal ones to the first.
Tensor maxout(const Tensor& x);

}  // namespace attune
