// Where local attention looks (Luong 2015, section 3.2), as the centres of a Window, in positions of the source from 0.
#pragma once

#include "attune/attention/source_read.h"

namespace attune::attention {

// local-m: p_i = i, target token i opposite source token i; behind the source's end its last token. [queries],
// constant. first: the place in its target of every sequence's first query.
Tensor monotonic_centre(const Segments& queries, const Segments& keys, int first, DType dtype);

// local-p: p_i = S share_i, S = the source's length; share [queries, 1], from 0 to 1. [queries], differentiable.
Tensor predicted_centre(const Tensor& share, const Segments& queries, const Segments& keys);

}  // namespace attune::attention
