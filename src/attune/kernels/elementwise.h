// Loops over whole buffers that several rooms need: plain sums and conversions, bound by memory, parallel over chunks.
#pragma once

#include <cstdint>
#include <span>

#include "attune/base/dtype.h"

namespace attune::kernels {

// y += x
template <class T>
void add_into(std::span<T> y, std::span<const T> x);
// y = a * x + b * y; with b = 0, y is not read. x may be y.
template <class T>
void scale_add(std::span<T> y, T a, std::span<const T> x, T b);
// Sum of squares in double, in fixed chunks of 65,536 elements: the same bits for any number of threads.
template <class T>
double sum_of_squares(std::span<const T> x);

void to_bfloat16(std::span<BFloat16> y, std::span<const float> x);
void from_bfloat16(std::span<float> y, std::span<const BFloat16> x);

}  // namespace attune::kernels
