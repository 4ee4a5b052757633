// Inverted dropout: each element is zeroed with probability `rate`, the others divided by 1 - rate. The mask is a
// function of (rng, element index) alone and is drawn again in the backward instead of being stored.
#pragma once

#include "attune/base/rng.h"
#include "attune/tensor/tensor.h"

namespace attune {

// 0 <= rate < 1; rate 0 returns x.
Tensor dropout(const Tensor& x, double rate, const Rng& rng);
// y = residual + dropout(x) in one pass
Tensor add_dropout(const Tensor& residual, const Tensor& x, double rate, const Rng& rng);

}  // namespace attune
