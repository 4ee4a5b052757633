// What a decoder looks at while it reads finished pairs of sentences, layer by layer: whatever is made of attention to
// the source (alignments, entropies) goes through here, for every architecture alike.
#pragma once

#include <functional>

#include "attune/data/batches.h"
#include "attune/models/model.h"

namespace attune {

// weights [heads, target pieces and </s>, source pieces and </s>] of one sequence of a batch; row i predicts target
// piece i. Valid during the call.
using SeeCrossAttention = std::function<void(int layer, int sequence, const Tensor& weights)>;

// Runs the model over the batch without dropout. A model that attends to nothing calls `see` never.
void see_cross_attention(const Model& model, const Batch& batch, const SeeCrossAttention& see);

// The weights [target, source] of one head, or their mean over all heads (head -1).
std::vector<double> weights_of_head(const Tensor& weights, int head);

// How spread the attention is: the mean entropy, in nats, of the rows of the head-averaged weights of every layer, each
// divided by its sum (rows of zeros, as relu leaves them, are left out), beside that of even attention, which is the
// logarithm of the source's length.
struct AttentionEntropy {
  double entropy = 0, even = 0;
  int64_t rows = 0;  // 0: the model attends to nothing
};
struct AttentionEntropyOptions {
  int batch_tokens = 4096;  // target tokens that are read together
};
AttentionEntropy attention_entropy(const Model& model, std::span<const Example> pairs,
                                   const AttentionEntropyOptions& options = {});

}  // namespace attune
