#include "attune/models/embeddings.h"

#include <cmath>

#include "attune/base/check.h"
#include "attune/nn/initialise.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/embedding.h"

namespace attune {

Initialiser embedding_start(const ModelConfig& config) {
  return config.embedding_initialiser.empty()
             ? Initialiser{Initialiser::Kind::normal, 1.0 / std::sqrt(static_cast<double>(config.width))}
             : initialiser_of_name(config.embedding_initialiser);
}

Embeddings::Embeddings(const ModelConfig& config) {
  check(config.source_vocabulary > 0 && config.target_vocabulary > 0, config.architecture, ": vocabularies of ",
        config.source_vocabulary, " and ", config.target_vocabulary, " pieces");
  const bool all_tied = config.tied_embeddings == "all";
  check(!all_tied || config.source_vocabulary == config.target_vocabulary, config.architecture,
        ": tied-embeddings is all, but the vocabularies have ", config.source_vocabulary, " and ",
        config.target_vocabulary, " pieces");
  if (!all_tied) {
    source = Embedding(config.source_vocabulary, config.width, embedding_start(config));
  }
  target = Embedding(config.target_vocabulary, config.width, embedding_start(config));
}

OutputParameters::OutputParameters(const ModelConfig& config, bool with_bias) {
  if (config.tied_embeddings == "none") {
    weight = Parameter({config.target_vocabulary, config.width}, initialiser_of_name(config.initialiser));
  }
  if (with_bias) {
    bias = Parameter({config.target_vocabulary}, {});
  }
}

Tensor scaled_embedding(std::span<const int32_t> ids, const Tensor& table, const ModelConfig& config) {
  const Tensor rows = embedding(table, ids);
  return config.embedding_scale ? scale(rows, std::sqrt(static_cast<double>(config.width))) : rows;
}

double embedding_dropout(const ModelConfig& config) {
  return config.embedding_dropout < 0 ? config.dropout : config.embedding_dropout;
}

Tensor drop_embedding(const Tensor& rows, const ModelConfig& config, const Pass& pass) {
  const Pass inner = pass.within("embedding");
  return inner.shown("output", drop(rows, embedding_dropout(config), inner));
}

Tensor embedded(std::span<const int32_t> ids, const Tensor& table, const ModelConfig& config, const Pass& pass) {
  const Tensor rows = scaled_embedding(ids, table, config);
  pass.within("embedding").offer("rows", rows);
  return drop_embedding(rows, config, pass);
}

}  // namespace attune
