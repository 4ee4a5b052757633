// Several learnt maps of one input as one product, for inference: a step of decoding has few rows, and starting a
// product costs as much as a small one.
#pragma once

#include <span>

#include "attune/nn/linear.h"

namespace attune {

// x [rows, in] -> [rows, sum of the outs], the parts side by side in their order; all with a bias or none. The joined
// weight is kept with the first part's storage, which must be that of all parts (Parameters::allocate): a first part
// always comes with the same others. No gradient.
Tensor joined_linear(const Tensor& x, std::span<const Linear* const> parts, const Pass& pass);

}  // namespace attune
