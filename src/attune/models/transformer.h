// The Transformer (Vaswani 2017), pre- or post-norm, with any mixer: its layers, and the encoder-decoder made of them:
//   pre-norm:  x + dropout(f(norm(x))), and a norm at the end of each stack
//   post-norm: norm(x + dropout(f(x)))
#pragma once

#include <optional>
#include <vector>

#include "attune/models/attention_place.h"
#include "attune/models/cost.h"
#include "attune/models/embeddings.h"
#include "attune/models/model.h"
#include "attune/nn/feed_forward.h"
#include "attune/nn/mixer.h"
#include "attune/nn/norm.h"
#include "attune/nn/positions.h"

namespace attune {

// Which layer of how many, from 0.
struct Depth {
  int layer = 0, layers = 1;
};

// One sublayer's surroundings: where the norm stands, and the dropout on what the sublayer adds, of single numbers and
// of whole sequences (stochastic depth, Huang 2016): in training a sequence goes without the sublayer with probability
// 1 - survival, and what is added to the others is divided by survival.
struct Residual {
  Residual() = default;
  // The probability of survival falls linearly from layer to layer, to config.survival in the last one.
  Residual(const ModelConfig& config, const Depth& depth);

  // f: normalised input -> what is added. The segments say what is one sequence; only training asks.
  template <class Fn>
  Tensor operator()(const Tensor& x, const Segments& segments, const Pass& pass, Fn&& f) const {
    return pre ? with(x, f(norm(x, pass.compute)), segments, pass) : norm(with(x, f(x), segments, pass));
  }

  Norm norm;
  bool pre = true;
  double dropout = 0, survival = 1;

 private:
  Tensor with(const Tensor& x, const Tensor& added, const Segments& segments, const Pass& pass) const;
};

// A feed-forward layer with its surroundings: a layer's last sublayer.
struct FeedForwardSublayer {
  FeedForwardSublayer(const ModelConfig& config, const Depth& depth);
  Tensor operator()(const Tensor& x, const Segments& segments, const Pass& pass) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("feed_forward", self.layer);
    each("feed_forward_norm", self.around.norm);
  }

  FeedForward layer;
  Residual around;
};

struct EncoderLayer {
  EncoderLayer(const ModelConfig& config, const Depth& depth);
  Tensor operator()(const Tensor& x, const Segments& segments, const Pass& pass) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("self_attention", self.self_attention);
    each("self_attention_norm", self.around_self_attention.norm);
    if (self.feed_forward) {
      FeedForwardSublayer::visit(*self.feed_forward, each);
    }
  }

  std::unique_ptr<Mixer> self_attention;
  std::optional<FeedForwardSublayer> feed_forward;  // none behind a mixer that mixes channels as well
  Residual around_self_attention;
};

// Without cross-attention, and so without memory, where the task has no source: the decoder is the whole model.
struct DecoderLayer {
  DecoderLayer(const ModelConfig& config, const Depth& depth);
  Tensor operator()(const Tensor& x, const Segments& targets, const Tensor& memory, const Segments& sources,
                    const Pass& pass) const;
  Tensor step(const Tensor& x, MixerState& past, MixerState* memory, const Pass& pass) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("self_attention", self.self_attention);
    each("self_attention_norm", self.around_self_attention.norm);
    if (self.cross_attention) {
      each("cross_attention", self.cross_attention);
      each("cross_attention_norm", self.around_cross_attention.norm);
    }
    if (self.feed_forward) {
      FeedForwardSublayer::visit(*self.feed_forward, each);
    }
  }

  std::unique_ptr<Mixer> self_attention, cross_attention;  // the second not given in a decoder alone
  std::optional<FeedForwardSublayer> feed_forward;         // none behind a mixer that mixes channels as well
  Residual around_self_attention, around_cross_attention;
};

// Layers and, for pre-norm, the norm behind the last one.
template <class Layer>
struct Stack {
  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("layers", self.layers);
    if (self.positions.table) {
      each("positions", self.positions);
    }
    if (self.norm.weight) {
      each("norm", self.norm);
    }
  }
  std::vector<Layer> layers;
  Positions positions;
  Norm norm;  // not given for post-norm
};

// Rows of embeddings in, hidden states out; of whole targets, or of one token a row.
struct Decoder : Stack<DecoderLayer> {
  Decoder() = default;
  explicit Decoder(const ModelConfig& config);

  // rows [target tokens, width], positions added and dropped; memory and sources not given in a decoder alone.
  Tensor operator()(const Tensor& rows, const Segments& targets, const Tensor& memory, const Segments& sources,
                    const Pass& pass) const;
  // `count` rows, nothing read yet: of a decoder alone, or with a memory of which row i reads sequence source_of[i].
  std::unique_ptr<DecodingState> start(int count) const;
  std::unique_ptr<DecodingState> start(const Tensor& memory, const Segments& sources, std::span<const int> source_of,
                                       const Pass& pass) const;
  // The next token of every row: rows [count, width], positions not added.
  Tensor step(DecodingState& state, const Tensor& rows, const Pass& pass) const;
};

class Transformer : public Model {
 public:
  explicit Transformer(const ModelConfig& config);

  const ModelConfig& config() const override { return config_; }
  Parameters& parameters() override { return parameters_; }
  Tensor hidden(const Batch& batch, const Pass& pass) const override;
  OutputLayer output() const override;
  std::unique_ptr<DecodingState> start(std::span<const int32_t> source, const Segments& sources,
                                       std::span<const int> source_of, const Pass& pass) const override;
  Tensor step(DecodingState& state, std::span<const int32_t> tokens, const Pass& pass) const override;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    Embeddings::visit(self.embeddings_, each);
    each("encoder", self.encoder_);
    each("decoder", self.decoder_);
    each("output", self.output_);
  }

 private:
  Tensor encode(std::span<const int32_t> source, const Segments& sources, const Pass& pass) const;

  ModelConfig config_;
  Embeddings embeddings_;
  Stack<EncoderLayer> encoder_;
  Decoder decoder_;
  OutputParameters output_;
  Parameters parameters_;
};

// Its row of the table of architectures.
void check_transformer(const ModelConfig& config);
ModelCost transformer_cost(const ModelConfig& config, const CostOptions& options);
std::vector<AttentionPlace> transformer_attends(const ModelConfig& config);

}  // namespace attune
