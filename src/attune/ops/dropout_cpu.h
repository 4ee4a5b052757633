// Dropout on the processor. Elements 2 p and 2 p + 1 take the low and the high half of bits(p) of the generator with
// this key (base/rng.h); one is kept when its half is at least `threshold`.
#pragma once

#include <cstdint>

#include "attune/base/rng.h"

namespace attune::cpu {

struct DropoutMask {
  uint64_t key;        // Rng::key()
  uint32_t threshold;  // rate * 2^32
  double scale;        // of the kept elements

  // The mask of the elements from `first` on, which is even.
  DropoutMask from(int64_t first) const {
    return {key + static_cast<uint64_t>(first / 2) * 0x9e3779b97f4a7c15ULL, threshold, scale};
  }
};

DropoutMask mask_of(double rate, const Rng& rng);  // throws unless 0 <= rate < 1

// y = x masked and scaled, + residual where that is not null; y may be x
template <class T>
void dropout(const DropoutMask& mask, int64_t count, T* y, const T* x, const T* residual);

}  // namespace attune::cpu
