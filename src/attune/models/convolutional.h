// ConvS2S (Gehring 2017): an encoder and a decoder of gated convolutions, attention in every decoder layer.
//   e = embedding + position,  x = W e,  x <- (x + glu(conv(x))) sqrt(1/2) in every layer,  z = W x
// In decoder layer l, h the gated convolution's result, g the target's embedding and position, m the source's length:
//   d = (W h + g) sqrt(1/2),  a = softmax(d . z),  c = m sqrt(1/m) sum_j a_j (z_j + e_j) sqrt(1/2)
//   x <- (x + (h + W c) sqrt(1/2)) sqrt(1/2)
// All weights but the tables are normalised. z's gradient is divided by twice the number of attentions that read it.
#pragma once

#include <vector>

#include "attune/models/attention_place.h"
#include "attune/models/cost.h"
#include "attune/models/embeddings.h"
#include "attune/models/model.h"
#include "attune/nn/gated_convolution.h"
#include "attune/nn/positions.h"

namespace attune {

struct ConvolutionalDecoderLayer {
  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("convolution", self.convolution);
    each("query", self.query);
    each("context", self.context);
  }

  GatedConvolution convolution;
  NormalisedLinear query, context;  // channels -> width, width -> channels
};

template <class Layer>
struct ConvolutionalStack {
  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    if (self.positions.table) {
      each("positions", self.positions);
    }
    each("input", self.input);
    each("layers", self.layers);
    each("output", self.output);
  }

  Positions positions;
  NormalisedLinear input, output;  // width -> channels of the first layer, channels of the last one -> width
  std::vector<Layer> layers;
};

class Convolutional : public Model {
 public:
  explicit Convolutional(const ModelConfig& config);

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
  // Of every source token, [rows, width]: what attention compares with, and what it takes.
  struct Memory {
    Tensor keys, values;
  };
  struct Output {
    template <class Self, class Each>
    static void visit(Self& self, Each&& each) {
      if (self.weight) {
        Weight::visit(self.weight, each);
      }
      each("bias", self.bias);
    }
    Weight weight;  // not given when tied to the target's embedding
    Parameter bias;
  };

  Memory encode(std::span<const int32_t> source, const Segments& sources, const Pass& pass) const;

  ModelConfig config_;
  Embeddings embeddings_;
  ConvolutionalStack<GatedConvolution> encoder_;
  ConvolutionalStack<ConvolutionalDecoderLayer> decoder_;
  Output output_;
  Parameters parameters_;
};

// Its row of the table of architectures.
void set_convolutional_defaults(ModelConfig& config);
void check_convolutional(const ModelConfig& config);
ModelCost convolutional_cost(const ModelConfig& config, const CostOptions& options);
std::vector<AttentionPlace> convolutional_attends(const ModelConfig& config);

// The width of each layer, as the key channels says.
std::vector<int> channels_of(const ModelConfig& config, int layers);

}  // namespace attune
