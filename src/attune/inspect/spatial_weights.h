// What spatial gating mixes positions by (attention/spatial_gating.h): W belongs to the model, not to a sentence; one
// of n pieces uses its leading n x n part. gMLP's W, which nothing holds to it, comes out nearly Toeplitz (Liu 2021,
// figure 4).
#pragma once

#include <vector>

#include "attune/inspect/inspection.h"
#include "attune/models/network.h"

namespace attune {

// Of every layer and head whose mixer is spatial gating; kind: encoder_spatial or decoder_spatial. length: at most
// that of W.
std::vector<AttentionMap> spatial_maps(const Network& model, AttentionKind kind, int length);

// The mean of the visible weights' absolute values.
double mean_magnitude(const AttentionMap& map);

// How much of the variance of a map's visible weights the means of its diagonals explain, adjusted for their number
// (each diagonal costs a degree of freedom): 1 for Toeplitz weights, about 0 for independent ones. Not given where
// there are no more weights than diagonals or all are equal.
std::optional<double> toeplitz_share(const AttentionMap& map);

}  // namespace attune
