// The processor's loops over rows of even distance.
#pragma once

#include <cstdint>

namespace attune::cpu {

// into[c] (+)= sum over rows of x[row * stride + c], in blocks of 256 rows; one thread.
template <class T>
void column_sums(const T* x, int64_t rows, int64_t columns, int64_t stride, T* into, bool accumulate);

}  // namespace attune::cpu
