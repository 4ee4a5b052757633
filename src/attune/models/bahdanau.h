// The first decoder that attends (Bahdanau, Cho and Bengio 2015, appendix A), with GRUs whose reset gate acts before
// the product. h_j: states of a bidirectional encoder; the query is the decoder's PREVIOUS state:
//   a_i = softmax_j(v^T tanh(W_a s_{i-1} + U_a h_j))        c_i = sum_j a_ij h_j
//   s_i = GRU(s_{i-1}; input W E y_{i-1} + C c_i)           s_0 = tanh(W_s h_1 of the backward encoder)
//   t_i = maxout(U_o s_{i-1} + V_o E y_{i-1} + C_o c_i)     p(y_i) = softmax(W_o t_i)
// So what predicts token i needs s_{i-1} alone, and the output's products of all steps are one.
#pragma once

#include "attune/models/attending_decoder.h"
#include "attune/models/attention_place.h"
#include "attune/models/cost.h"
#include "attune/models/embeddings.h"
#include "attune/models/model.h"
#include "attune/models/recurrent_encoder.h"
#include "attune/nn/source_attention.h"

namespace attune {

class Bahdanau : public Model {
 public:
  explicit Bahdanau(const ModelConfig& config);

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
      each("start", self.start);
      each("cell", self.cell);
      each("context", self.context);
      each("attention", self.attention);
      each("readout", self.readout);
    }
    Linear start;         // W_s [H, H]
    RecurrentLayer cell;  // reads E y_{i-1}
    Linear context;       // C [3 H, 2 H]: what the gates and the candidate read of c_i
    SourceAttention attention;
    Linear readout;  // [2 m, H + E + 2 H] = U_o V_o C_o
  };
  struct Encoded {
    SourceAttention::Memory memory;
    Tensor start;  // s_0 [sequences, H]
  };
  struct State;

  void use_the_papers_initialisers();
  Encoded encode(std::span<const int32_t> source, const Segments& sources, const Pass& pass) const;
  Tensor predict(const Tensor& before, const Tensor& token, const Tensor& context, const Pass& pass) const;

  ModelConfig config_;
  Embeddings embeddings_;
  RecurrentEncoder encoder_;
  Decoder decoder_;
  OutputParameters output_;
  Parameters parameters_;
};

void set_bahdanau_defaults(ModelConfig& config);
void check_bahdanau(const ModelConfig& config);
ModelCost bahdanau_cost(const ModelConfig& config, const CostOptions& options);
std::vector<AttentionPlace> bahdanau_attends(const ModelConfig& config);

}  // namespace attune
