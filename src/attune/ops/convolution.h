// One-dimensional convolution over the tokens of each sequence of a packed matrix:
//   y_t = b + sum_j W_j x_(t - left + j),  j = 0 ... k-1,
// where what lies outside of the sequence counts as zero: no row is read across sentences and no padding is stored.
// Centred (an encoder's): left = (k-1)/2, so that an odd kernel sees as far back as ahead (an even one sees one row
// further ahead); causal (a decoder's): left = k-1.
#pragma once

#include "attune/tensor/segments.h"
#include "attune/tensor/tensor.h"

namespace attune {

struct ConvolutionOptions {
  bool causal = false;
  DType compute = DType::float32;  // bfloat16: operands rounded, sums in float32 (float32 tensors only)
};

// x [rows, in] with packed segments, weight [out, k * in], the kernel's k taps after one another, of the type of x or
// bfloat16 (inference); bias [out] or not given -> [rows, out]. A row has the same bits whatever else is in the batch
// and with any number of threads; they are those of linear() on the row's k inputs side by side, oldest first, which
// is how a decoder takes its steps.
Tensor convolution(const Tensor& x, const Segments& segments, const Tensor& weight, const Tensor& bias = {},
                   const ConvolutionOptions& options = {});

// The equation in plain loops, without a backward, in the tensors' own type.
Tensor convolution_definition(const Tensor& x, const Segments& segments, const Tensor& weight, const Tensor& bias = {},
                              const ConvolutionOptions& options = {});

}  // namespace attune
