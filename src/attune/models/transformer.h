// The Transformer (Vaswani 2017), pre-norm, post-norm or reversible (models/sublayer.h), with any mixer: its layers,
// the stacks of them, with a norm at the end unless it is post-norm, and the encoder-decoder made of two.
#pragma once

#include <optional>
#include <vector>

#include "attune/models/attention_place.h"
#include "attune/models/cost.h"
#include "attune/models/embeddings.h"
#include "attune/models/model.h"
#include "attune/models/sublayer.h"
#include "attune/nn/feed_forward.h"
#include "attune/nn/mixer.h"
#include "attune/nn/positions.h"

namespace attune {

// A feed-forward layer with its surroundings: a layer's last sublayer.
struct FeedForwardSublayer {
  FeedForwardSublayer(const ModelConfig& config, const Depth& depth);
  Sublayer sublayer(const Pass& pass) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("feed_forward", self.layer);
    each("feed_forward_norm", self.around.norm);
  }

  FeedForward layer;
  Residual around;
};

struct EncoderLayer {
  static constexpr std::string_view profile_name = "encoder.layer";
  EncoderLayer(const ModelConfig& config, const Depth& depth);
  std::vector<Sublayer> sublayers(const Pass& pass) const;

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
  static constexpr std::string_view profile_name = "decoder.layer";
  DecoderLayer(const ModelConfig& config, const Depth& depth);
  std::vector<Sublayer> sublayers(const Pass& pass) const;
  // The same for one token a row. The states are borrowed.
  std::vector<Sublayer> step(MixerState& past, MixerState* memory, const Pass& pass) const;

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
  Stack() = default;
  Stack(const ModelConfig& config, int layer_count);

  // Rows [tokens, width], positions added and dropped, through all layers; the norm is left to do.
  Tensor mix(const Tensor& rows, const Context& context, const Pass& pass) const;

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
  bool reversible = false;
};

// Rows of embeddings in, hidden states out.
struct EncoderStack : Stack<EncoderLayer> {
  EncoderStack() = default;
  explicit EncoderStack(const ModelConfig& config) : Stack(config, config.encoder_layers) {}

  // rows [tokens, width], positions added and dropped. result: bfloat16 where only products read it, as in the norm.
  Tensor operator()(const Tensor& rows, const Segments& segments, const Pass& pass,
                    DType result = DType::float32) const;
};

// Rows of embeddings in, hidden states out; of whole targets, or of one token a row.
struct Decoder : Stack<DecoderLayer> {
  Decoder() = default;
  explicit Decoder(const ModelConfig& config) : Stack(config, config.decoder_layers) {}

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
  EncoderStack encoder_;
  Decoder decoder_;
  OutputParameters output_;
  Parameters parameters_;
};

// Its row of the table of architectures.
void check_transformer(const ModelConfig& config);

// Whether some mixer of the model has weights that attention-dropout can act on.
bool can_drop_weights(const ModelConfig& config);
ModelCost transformer_cost(const ModelConfig& config, const CostOptions& options);
std::vector<AttentionPlace> transformer_attends(const ModelConfig& config);

}  // namespace attune
