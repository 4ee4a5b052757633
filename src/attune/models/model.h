// The seam between sequence-to-sequence models and everything that uses them: training needs hidden states and the
// output layer, decoding a state that advances one token a row. Losses belong to train/.
#pragma once

#include <memory>
#include <span>

#include "attune/data/batches.h"
#include "attune/models/network.h"
#include "attune/nn/pass.h"

namespace attune {

// logits = hidden weight^T + bias
struct OutputLayer {
  Tensor weight;  // [vocabulary, width]
  Tensor bias;    // [vocabulary] or not given
};

// What a model remembers of the hypotheses (rows) being decoded.
class DecodingState {
 public:
  virtual ~DecodingState() = default;
  virtual int rows() const = 0;
  // Row i continues what row from[i] was; rows may be dropped, repeated and reordered.
  virtual void reorder(std::span<const int> from) = 0;
};

class Model : public Network {
 public:
  // Hidden states before the output layer for every target token: [batch.targets.rows(), width].
  virtual Tensor hidden(const Batch& batch, const Pass& pass) const = 0;
  virtual OutputLayer output() const = 0;

  // Reads the sources (ids with their final </s>) and starts one row for each entry of source_of: row i translates
  // sequence source_of[i].
  virtual std::unique_ptr<DecodingState> start(std::span<const int32_t> source, const Segments& sources,
                                               std::span<const int> source_of, const Pass& pass) const = 0;
  // Feeds one token a row; returns the hidden states [rows, width] that predict the next one.
  virtual Tensor step(DecodingState& state, std::span<const int32_t> tokens, const Pass& pass) const = 0;
};

// The architecture named by the config, its parameters declared but not allocated.
std::unique_ptr<Model> make_model(const ModelConfig& config);

}  // namespace attune
