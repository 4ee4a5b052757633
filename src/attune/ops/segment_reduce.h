// Mean and sum over the rows of each sequence: x [rows, d] -> [sequences, d]. An empty sequence gives a row of zeros.
#pragma once

#include "attune/tensor/segments.h"
#include "attune/tensor/tensor.h"

namespace attune {

Tensor segment_sum(const Tensor& x, const Segments& segments);
Tensor segment_mean(const Tensor& x, const Segments& segments);

}  // namespace attune
