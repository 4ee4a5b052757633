// Encoder-only models (Devlin 2019; Vaswani 2017's encoder): embeddings, layers with any mixer, and a head that depends
// on the task. A head is a module of its own; a model of a new task is a class that holds an Encoder and its head, and
// a row of tasks().
#pragma once

#include <memory>
#include <span>

#include "attune/models/embeddings.h"
#include "attune/models/network.h"
#include "attune/models/transformer.h"

namespace attune {

struct EncoderInput {
  std::span<const int32_t> ids;
  const Segments& segments;
  std::span<const int32_t> types = {};  // 0, or 1 for the second of two sentences; only with next-sentence
};

struct Encoder {
  Encoder() = default;
  explicit Encoder(const ModelConfig& config);

  // Hidden states [tokens, width].
  Tensor operator()(const EncoderInput& input, const Pass& pass) const;
  // The same of rows [tokens, width] that stand in place of embedded ids.
  Tensor mix(const Tensor& rows, const Segments& segments, const Pass& pass) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    if (self.embedding.weight) {
      each("embedding", self.embedding);
    }
    if (self.types.weight) {
      each("types", self.types);
    }
    if (self.embedding_norm.weight) {
      each("embedding_norm", self.embedding_norm);
    }
    EncoderStack::visit(self.stack, each);
  }

  ModelConfig config;
  Embedding embedding;  // [vocabulary, width]; not given where rows come from elsewhere: images
  Embedding types;      // [2, width], added; not given without next-sentence
  Norm embedding_norm;  // not given without embedding-norm
  EncoderStack stack;
};

class EncoderModel : public Network {
 public:
  const ModelConfig& config() const override { return encoder_.config; }
  using Network::parameters;
  Parameters& parameters() override { return parameters_; }
  const Encoder& encoder() const { return encoder_; }

 protected:
  explicit EncoderModel(const ModelConfig& config) : encoder_(config) {}

  Encoder encoder_;
  Parameters parameters_;  // of the model that derives from this one, when it is whole
};

// In front of the output layer BERT has norm(activation(W h + b)); whether a next sentence follows it reads of
// tanh(W h + b) of the first token.
struct MaskedLanguageHead {
  MaskedLanguageHead() = default;
  explicit MaskedLanguageHead(const ModelConfig& config);

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    if (self.transform.weight) {
      each("transform", self.transform);
      each("transform_norm", self.transform_norm);
    }
    each("output", self.output);
    if (self.pooler.weight) {
      each("pooler", self.pooler);
      each("next_sentence", self.next_sentence);
    }
  }

  Linear transform;  // [width, width]; not given without prediction-transform
  Norm transform_norm;
  OutputParameters output;
  Linear pooler, next_sentence;  // [width, width], [2, width]; not given without next-sentence
};

class MaskedLanguageModel : public EncoderModel {
 public:
  explicit MaskedLanguageModel(const ModelConfig& config);

  // hidden [tokens, width] -> what the output layer reads, of the rows alone that are to be predicted.
  Tensor predicted(const Tensor& hidden, std::span<const int32_t> rows, const Pass& pass) const;
  OutputLayer output() const { return head_.output.layer(encoder_.embedding.weight); }
  // hidden [tokens, width] -> logits [sequences, 2] that the second sentence does not follow, and that it does.
  Tensor next_sentence(const Tensor& hidden, const Segments& segments, const Pass& pass) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("encoder", self.encoder_);
    each("head", self.head_);
  }

 private:
  MaskedLanguageHead head_;
};

// Rows of the table of tasks.
void set_masked_language_model_defaults(ModelConfig& config);
void check_masked_language_model(const ModelConfig& config);
OutputCost masked_language_model_output_cost(const ModelConfig& config, const CostOptions& options);
// For every task of encoder-only models: the architecture is one that they can have.
void check_encoder_task(const ModelConfig& config);

}  // namespace attune
