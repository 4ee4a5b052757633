// How the decoder of a recurrent model reads its source, one query a target token:
//   a_ij = softmax_j score(i, j),   w_ij = a_ij exp(-(j - p_i)^2 / (2 sigma^2)) or a_ij,   c_i = sum_j w_ij value_j
// over all source tokens (global), or over those within `reach` of p_i (local: Luong 2015, section 3.2). The mechanisms
// differ in the score alone: additive.h, dot.h, location.h.
#pragma once

#include "attune/tensor/segments.h"
#include "attune/tensor/tensor.h"

namespace attune::attention {

// Where a query looks. Without a centre: everywhere.
struct Window {
  Tensor centre = {};     // p_i [queries], a position in the source counted from 0; differentiable if gaussian
  int reach = 10;         // |j - p_i| <= reach, at least 1
  bool gaussian = false;  // weigh by the distance as well, sigma = reach / 2
};

// What a mechanism reads from: row i of `queries`' sequence s reads the rows of `keys`' sequence s. `keys` may have
// more sequences than `queries`: the last ones have no query (targets that have ended stand last). Keys may coincide
// (beams that read one source); a backward needs disjoint ones.
struct ReadOptions {
  Segments queries, keys;
  Window window = {};
};

struct SourceRead {
  Tensor context;  // [queries, width of the values]
  Tensor weights;  // w [queries, longest source], 0 outside of the source and the window; no gradient flows through it
};

}  // namespace attune::attention
