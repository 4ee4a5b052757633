// Encoder and decoder joined by one vector, whatever the length of the source: architectures rnn, gru and lstm.
//   source-vector = start       the encoder's last states are the decoder's first (Sutskever 2014: several LSTM layers,
//                               the source reversed)
//   source-vector = every_step  c, the last state of the last layer, is read at every step too (Cho 2014):
//                               s_0 = tanh(V c),  z_t = W E y_{t-1} + C c + ...,
//                               hidden = maxout(O_h s_t + O_y E y_{t-1} + O_c c)
#pragma once

#include <vector>

#include "attune/models/cost.h"
#include "attune/models/embeddings.h"
#include "attune/models/model.h"
#include "attune/models/recurrent_encoder.h"

namespace attune {

class Recurrent : public Model {
 public:
  explicit Recurrent(const ModelConfig& config);

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
      if (!self.starts.empty()) {
        each("starts", self.starts);
        each("context", self.context);
      }
      each("layers", self.layers);
      if (!self.starts.empty()) {
        each("read_state", self.read_state);
        each("read_token", self.read_token);
        each("read_context", self.read_context);
      }
    }
    std::vector<RecurrentLayer> layers;
    // every_step only: V of each layer [H, H]; C [gates H, H]; O_h O_y O_c [2 H, H]
    std::vector<Linear> starts;
    Linear context, read_state, read_token, read_context;
  };
  // What the decoder gets of the sources, by sequence.
  struct Encoded {
    std::vector<RecurrentState> starts;  // of each layer
    Tensor to_gates, to_readout;         // every_step only: C c, O_c c
  };
  struct State;

  bool every_step() const { return !decoder_.starts.empty(); }
  Encoded encode(std::span<const int32_t> source, const Segments& sources, const Pass& pass) const;
  // From the last layer's states to what the output layer reads; context: O_c c of every row.
  Tensor predict(const Tensor& states, const Tensor& embedded, const Tensor& context, const Pass& pass) const;

  ModelConfig config_;
  Embeddings embeddings_;
  RecurrentEncoder encoder_;
  Decoder decoder_;
  OutputParameters output_;
  Parameters parameters_;
};

void set_rnn_defaults(ModelConfig& config);
void set_gru_defaults(ModelConfig& config);
void set_lstm_defaults(ModelConfig& config);
void check_recurrent(const ModelConfig& config);
ModelCost recurrent_cost(const ModelConfig& config, const CostOptions& options);

}  // namespace attune
