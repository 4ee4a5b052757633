// Cross entropy of next-token predictions with label smoothing, fused with the log-softmax and, in the second form,
// with the output product, so that no more than a chunk of vocabulary-wide rows is ever in memory.
//
// With smoothing e over V classes the target distribution is 1 - e + e/V for the gold class and e/V for the others
// (PyTorch's convention): loss_i = (1 - e) nll_i + e (lse_i - mean_j x_ij).
#pragma once

#include <span>
#include <vector>

#include "attune/ops/linear.h"
#include "attune/tensor/tensor.h"

namespace attune {

struct CrossEntropyOptions {
  double label_smoothing = 0;
  int64_t chunk_rows = 512;  // fixed, so that sums do not depend on threads
  DType compute = DType::float32;
  std::span<const float> row_weights = {};  // one factor per row; empty: all 1
};

struct CrossEntropy {
  Tensor loss;     // scalar, differentiable: the weighted sum over rows of the smoothed loss
  double nll = 0;  // the weighted sum of -log p(gold), unsmoothed: perplexity = exp(nll / tokens)
};

// logits [n, V], targets n (0 ... V-1)
CrossEntropy cross_entropy(const Tensor& logits, std::span<const int32_t> targets, const CrossEntropyOptions& = {});

// logits = hidden weight^T + bias, hidden [n, d], weight [V, d], bias [V] or not given. While a tape records, the
// gradients of all three are computed chunk by chunk in the forward and only scaled in the backward.
CrossEntropy linear_cross_entropy(const Tensor& hidden, const Tensor& weight, const Tensor& bias,
                                  std::span<const int32_t> targets, const CrossEntropyOptions& = {});

// log p(target_i) per row without a gradient: scoring. Same chunks.
std::vector<float> token_log_probabilities(const Tensor& hidden, const Tensor& weight, const Tensor& bias,
                                           std::span<const int32_t> targets);

}  // namespace attune
