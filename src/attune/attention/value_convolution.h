// A depthwise convolution along the tokens of each sequence, one kernel for all channels of a head, centred:
//   y_i = sum_t w_t x_(i + t - taps / 2)
// What lies outside of the sequence counts as zero.
#pragma once

#include "attune/tensor/segments.h"
#include "attune/tensor/tensor.h"

namespace attune::attention {

// x [rows, H, D], weight [H, taps] with an odd number of taps -> [rows, H, D]; float32 or float64. The weight's
// gradient sums over sequences in their order.
Tensor value_convolution(const Tensor& x, const Tensor& weight, const Segments& segments);

}  // namespace attune::attention
