// Sums and products of tensors, element by element. The second operand has the first one's shape, or is one row
// [columns] that is used for every row (its gradient is then the sum over the rows, in a fixed order).
#pragma once

#include <span>

#include "attune/tensor/tensor.h"

namespace attune {

Tensor add(const Tensor& x, const Tensor& y);
Tensor subtract(const Tensor& x, const Tensor& y);
Tensor multiply(const Tensor& x, const Tensor& y);
Tensor scale(const Tensor& x, double factor);
Tensor add_scaled(const Tensor& x, const Tensor& y, double factor);  // factor (x + y), equal shapes
// Row r of y is factors[r] times row r of x; the factors are constants.
Tensor scale_rows(const Tensor& x, std::span<const double> factors);
// x itself; only its gradient is multiplied (Gehring 2017, section 3.5: an encoder that many attentions read).
Tensor scale_gradient(const Tensor& x, double factor);
Tensor sum(const Tensor& x);   // of all elements: a scalar, summed in double in fixed chunks
Tensor mean(const Tensor& x);  // throws on an empty tensor

}  // namespace attune
