// The two ends of a model that ids go through: the tables of source and target embeddings and the output layer, tied as
// the config says.
#pragma once

#include <span>

#include "attune/models/model.h"
#include "attune/nn/embedding.h"

namespace attune {

struct Embeddings {
  Embeddings() = default;
  // Throws when the vocabularies are none, or not one where all embeddings are tied.
  explicit Embeddings(const ModelConfig& config);

  const Parameter& source_table() const { return source.weight ? source.weight : target.weight; }
  const Parameter& target_table() const { return target.weight; }

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    if (self.source.weight) {
      each("source_embedding", self.source);
    }
    each("target_embedding", self.target);
  }

  Embedding source, target;  // the source's not given when all are tied
};

// What the output layer does not share with the target's table.
struct OutputParameters {
  OutputParameters() = default;
  explicit OutputParameters(const ModelConfig& config, bool with_bias = true);

  // tied: the table of embeddings that the output layer is where it has no weight of its own
  OutputLayer layer(const Parameter& tied) const { return {weight ? weight : tied, bias}; }
  OutputLayer layer(const Embeddings& embeddings) const { return layer(embeddings.target_table()); }

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    if (self.weight) {
      each("weight", self.weight);
    }
    if (self.bias) {
      each("bias", self.bias);
    }
  }

  Parameter weight;  // [target vocabulary, width]; not given when tied to the target's table
  Parameter bias;    // [target vocabulary] or not given
};

// Rows of a table [ids, width], scaled as the config says.
Tensor scaled_embedding(std::span<const int32_t> ids, const Tensor& table, const ModelConfig& config);
// embedding-dropout, or dropout where that says so.
double embedding_dropout(const ModelConfig& config);
// What the first layer reads of them, positions added or not: dropped and shown as embedding.output.
Tensor drop_embedding(const Tensor& rows, const ModelConfig& config, const Pass& pass);
// Both; a probe is shown the rows alone as embedding.rows, too.
Tensor embedded(std::span<const int32_t> ids, const Tensor& table, const ModelConfig& config, const Pass& pass);

// How the tables begin.
Initialiser embedding_start(const ModelConfig& config);

}  // namespace attune
