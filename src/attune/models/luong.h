// The decoder that attends with its CURRENT state (Luong, Pham and Manning 2015): stacked recurrent layers, h_t the top
// one's state, then
//   a_t = softmax(score(h_t, h_s))       c_t = sum_s a_ts h_s       h~_t = tanh(W_c [c_t; h_t])       p = softmax(W
//   h~_t)
// With input feeding h~_{t-1} is a part of what the first layer reads at t. Without, no state depends on what was
// looked at: the layers run over whole targets, and all tokens look at once.
#pragma once

#include "attune/models/attending_decoder.h"
#include "attune/models/attention_place.h"
#include "attune/models/cost.h"
#include "attune/models/embeddings.h"
#include "attune/models/model.h"
#include "attune/models/recurrent_encoder.h"
#include "attune/nn/source_attention.h"

namespace attune {

class Luong : public Model {
 public:
  explicit Luong(const ModelConfig& config);

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
  struct Decoder {
    template <class Self, class Each>
    static void visit(Self& self, Each&& each) {
      each("layers", self.layers);
      if (self.feed.weight) {
        each("feed", self.feed);
      }
      each("attention", self.attention);
      each("combine", self.combine);
    }
    std::vector<RecurrentLayer> layers;
    Linear feed;  // [gates width, width]: what the first layer reads of h~_{t-1}
    SourceAttention attention;
    Linear combine;  // W_c [width, 2 width]
  };
  struct Encoded {
    SourceAttention::Memory memory;
    std::vector<RecurrentState> states;  // by layer, by sequence: where the decoder starts
  };
  struct Looked {
    Tensor hidden, weights;  // h~ and what it looked at, in the targets' order
  };
  class Steps;
  struct State;

  Encoded encode(std::span<const int32_t> source, const Segments& sources, const Pass& pass) const;
  Looked step_by_step(const Batch& batch, const Encoded& encoded, const Pass& pass) const;
  Looked all_at_once(const Batch& batch, const Encoded& encoded, const Pass& pass) const;

  ModelConfig config_;
  Embeddings embeddings_;
  RecurrentEncoder encoder_;
  Decoder decoder_;
  OutputParameters output_;
  Parameters parameters_;
};

void set_luong_defaults(ModelConfig& config);
void check_luong(const ModelConfig& config);
ModelCost luong_cost(const ModelConfig& config, const CostOptions& options);
std::vector<AttentionPlace> luong_attends(const ModelConfig& config);

}  // namespace attune
