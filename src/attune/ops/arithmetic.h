// Sums and products of tensors, element by element. The second operand has the first one's shape, or is one row
// [columns] that is used for every row (its gradient is then the sum over the rows, in a fixed order).
#pragma once

#include "attune/tensor/tensor.h"

namespace attune {

Tensor add(const Tensor& x, const Tensor& y);
Tensor subtract(const Tensor& x, const Tensor& y);
Tensor multiply(const Tensor& x, const Tensor& y);
Tensor scale(const Tensor& x, double factor);
Tensor sum(const Tensor& x);   // of all elements: a scalar, summed in double in fixed chunks
Tensor mean(const Tensor& x);  // throws on an empty tensor

}  // namespace attune
