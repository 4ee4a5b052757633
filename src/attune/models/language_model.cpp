#include "attune/models/language_model.h"

#include "attune/base/check.h"
#include "attune/base/profile.h"

namespace attune {

void check_language_model(const ModelConfig& config) {
  check_usage(config.architecture == "transformer",
              "architecture: a language model is a decoder alone, which only a transformer has, got \"",
              config.architecture, "\"");
  check_usage(config.tied_embeddings != "all",
              "tied-embeddings: a language model has one table of embeddings; expected decoder (the output layer is "
              "that table) or none, got \"all\"");
}

LanguageModel::LanguageModel(const ModelConfig& config) : config_(config) {
  check(config.target_vocabulary > 0 && config.source_vocabulary == config.target_vocabulary, config.task,
        ": expected one vocabulary, got ", config.source_vocabulary, " and ", config.target_vocabulary, " pieces");
  embedding_ = Embedding(config.target_vocabulary, config.width, embedding_start(config));
  decoder_ = Decoder(config);
  output_ = OutputParameters(config, config.biases);
  parameters_ = parameters_of(*this);
}

Tensor LanguageModel::hidden(std::span<const int32_t> ids, const Segments& segments, const Pass& pass) const {
  const ProfileScope scope("decoder");
  const Pass decoding = pass.within("decoder");
  const Tensor rows = scaled_embedding(ids, embedding_.weight, config_);
  decoding.within("embedding").offer("rows", rows);
  return decoder_(drop_embedding(decoder_.positions(rows, segments), config_, decoding), segments, {}, {}, decoding);
}

Tensor LanguageModel::step(DecodingState& state, std::span<const int32_t> tokens, const Pass& pass) const {
  const ProfileScope scope("decoder.step");
  return decoder_.step(state, scaled_embedding(tokens, embedding_.weight, config_), pass);
}

}  // namespace attune
