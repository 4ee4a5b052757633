// The parts of Nystrom attention (nystrom.h) between its two softmax attentions.
#pragma once

#include "attune/tensor/segments.h"
#include "attune/tensor/tensor.h"

namespace attune::attention {

// min(count, length) landmarks of each sequence.
Segments landmark_segments(const Segments& segments, int count);

// Means of the stretches: x [rows, H, D] -> [landmarks, H, D].
Tensor landmark_means(const Tensor& x, const Segments& segments, const Segments& landmarks);

// A+ y with A = softmax(q k' / sqrt(depth)) of each sequence and head, by `rounds` of the iteration. q, k [landmarks,
// H, D], y [landmarks, H, Dv]; float32 or float64.
Tensor landmark_inverse(const Tensor& q, const Tensor& k, const Tensor& y, const Segments& landmarks, int rounds);

}  // namespace attune::attention
