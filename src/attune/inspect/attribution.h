// What a translation's probability rests on, by differentiation and by experiment.
//   d log p / d A       of each attention weight: dP_ij = dO_i . v_j, with dO the gradient of what the head mixed; p is
//                       the probability of the whole translation
//   attention x         [t, j] = sum_hi A_hij d log p_t / d A_hij over all heads h and queries i of the attention to
//   the gradient            source: what log p_t would gain if all that looks at source piece j looked a little more,
//   in
//                       proportion
//   gradient x input    [t, j] = sum_d (d log p_t / d x_jd) x_jd, with x_j the (scaled) embedding of source piece j and
//                       p_t the probability of written piece t. Not of ConvS2S, whose encoder scales its gradient.
//   removal             [t, j] = log p_t - log p_t without source piece j
#pragma once

#include <vector>

#include "attune/data/batches.h"
#include "attune/inspect/inspection.h"
#include "attune/models/model.h"

namespace attune {

// Ordered by kind, then layer and head; only the kinds that the model has.
std::vector<AttentionMap> attribute(const Model& model, const Example& pair);

}  // namespace attune
