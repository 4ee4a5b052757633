// spatial_gating.h in plain loops, in float64, with its gradients. A recorder sees N, G, dG and dN by rows.
#pragma once

#include "attune/attention/spatial_gating.h"

namespace attune::attention {

struct DefinedGating {
  Tensor normalised, gate, out;  // N, G, S
};

struct DefinedGatingGradients {
  Tensor z, norm_weight, norm_bias, weight, bias, addend;  // addend: dG
};

DefinedGating defined_gating(const SpatialGatingInputs& in, const Segments& segments,
                             const SpatialGatingOptions& options);

DefinedGatingGradients defined_gating_backward(const SpatialGatingInputs& in, const Segments& segments,
                                               const SpatialGatingOptions& options, const DefinedGating& forward,
                                               const Tensor& dout);

}  // namespace attune::attention
