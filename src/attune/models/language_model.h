// A decoder-only Transformer (Radford 2018; Vaswani 2017's decoder without cross-attention): every token of a text is
// predicted from those before it, by layers with any mixer that has a causal form.
#pragma once

#include <memory>
#include <span>

#include "attune/models/embeddings.h"
#include "attune/models/model.h"
#include "attune/models/transformer.h"

namespace attune {

class LanguageModel : public Network {
 public:
  explicit LanguageModel(const ModelConfig& config);

  const ModelConfig& config() const override { return config_; }
  using Network::parameters;
  Parameters& parameters() override { return parameters_; }

  // Hidden states [tokens, width], each of a sequence's tokens up to it: the output layer predicts the next one.
  Tensor hidden(std::span<const int32_t> ids, const Segments& segments, const Pass& pass) const;
  OutputLayer output() const { return output_.layer(embedding_.weight); }

  // `rows` texts that go on token by token: what was read before is carried in the state, nothing is computed again.
  std::unique_ptr<DecodingState> start(int rows) const { return decoder_.start(rows); }
  // Feeds one token a row; returns the hidden states [rows, width] that predict the next one. Where the model ends at
  // max-positions (decoder_ends_at_max_positions), at most so many can be fed.
  Tensor step(DecodingState& state, std::span<const int32_t> tokens, const Pass& pass) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("embedding", self.embedding_);
    each("decoder", self.decoder_);
    each("output", self.output_);
  }

 private:
  ModelConfig config_;
  Embedding embedding_;  // [vocabulary, width]
  Decoder decoder_;
  OutputParameters output_;
  Parameters parameters_;
};

// Its row of the table of tasks.
void check_language_model(const ModelConfig& config);

}  // namespace attune
