// The same elements under another shape.
#pragma once

#include "attune/tensor/tensor.h"

namespace attune {

Tensor reshape(const Tensor& x, const Shape& shape);

}  // namespace attune
