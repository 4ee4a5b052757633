// Dropout on the processor. Elements 2 p and 2 p + 1 take the low and the high half of bits(p) of the generator with
// this key (base/rng.h); one is kept when its half is at least `threshold`.
#pragma once

#include <cstdint>

namespace attune::cpu {

struct DropoutMask {
  uint64_t key;        // Rng::key()
  uint32_t threshold;  // rate * 2^32
  double scale;        // of the kept elements
};

// y = x masked and scaled, + residual where that is not null
template <class T>
void dropout(const DropoutMask& mask, int64_t count, T* y, const T* x, const T* residual);

}  // namespace attune::cpu
