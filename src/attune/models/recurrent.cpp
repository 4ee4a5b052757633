#include "attune/models/recurrent.h"

#include "attune/base/option_checks.h"
#include "attune/base/profile.h"
#include "attune/nn/initialise.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/embedding.h"
#include "attune/ops/maxout.h"
#include "attune/ops/permute_rows.h"

namespace attune {

namespace {

Cell cell_of(const ModelConfig& config) {
  return cell_of(config.architecture, config);
}

// The sequence of every time-major row.
std::vector<int32_t> sequences_of(const TimeMajor& order) {
  std::vector<int32_t> sequences;
  sequences.reserve(static_cast<size_t>(order.rows()));
  for (int step = 0; step < order.steps(); ++step) {
    const auto running = order.order().first(static_cast<size_t>(order.running(step)));
    sequences.insert(sequences.end(), running.begin(), running.end());
  }
  return sequences;
}

}  // namespace

// Of the hypotheses being decoded: each layer's state, and what their sources add to every step.
struct Recurrent::State : DecodingState {
  std::vector<RecurrentState> layers;
  Tensor to_gates, to_readout;
  int count = 0;

  int rows() const override { return count; }
  void reorder(std::span<const int> from) override {
    for (RecurrentState& layer : layers) {
      layer = select_rows(layer, from);
    }
    if (to_gates) {
      to_gates = embedding(to_gates, from);
      to_readout = embedding(to_readout, from);
    }
    count = static_cast<int>(from.size());
  }
};

Recurrent::Recurrent(const ModelConfig& config)
    : config_(config), embeddings_(config), encoder_(encoder_options(config, cell_of(config))) {
  const Initialiser start = initialiser_of_name(config.initialiser);
  for (int i = 0; i < config.decoder_layers; ++i) {
    decoder_.layers.push_back(decoder_layer(config, cell_of(config)));
  }
  const int64_t width = config.width;
  if (config.source_vector == "every_step") {
    decoder_.starts.resize(decoder_.layers.size(), Linear({width, width, config.biases}, start));
    decoder_.context = Linear({width, gates_of(cell_of(config)) * width, false}, start);
    decoder_.read_state = Linear({width, 2 * width, config.biases}, start);
    decoder_.read_token = Linear({width, 2 * width, false}, start);
    decoder_.read_context = Linear({width, 2 * width, false}, start);
  }
  output_ = OutputParameters(config);
  parameters_ = parameters_of(*this);
}

Recurrent::Encoded Recurrent::encode(std::span<const int32_t> source, const Segments& sources, const Pass& pass) const {
  const ProfileScope scope("encoder");
  const TimeMajor order(sources);
  const auto encoded = encoder_(embedded(order.arranged(source), embeddings_.source_table(), config_, pass), order,
                                pass.within("layers"));
  Encoded result;
  if (!every_step()) {
    for (size_t i = 0; i < decoder_.layers.size(); ++i) {
      result.starts.push_back(encoded.last(i));
    }
    return result;
  }
  const Tensor c = encoded.last().h;
  for (const Linear& start : decoder_.starts) {
    result.starts.push_back({start(c, pass, {.activation = Activation::tanh}), {}});
  }
  result.to_gates = decoder_.context(c, pass);
  result.to_readout = decoder_.read_context(c, pass);
  return result;
}

Tensor Recurrent::predict(const Tensor& states, const Tensor& embedded, const Tensor& context, const Pass& pass) const {
  const Pass inner = pass.within("readout");
  if (!every_step()) {
    return drop(states, config_.dropout, inner);
  }
  const Tensor of_tokens = add(decoder_.read_token(embedded, pass), context);
  return drop(maxout(add(decoder_.read_state(states, pass), of_tokens)), config_.dropout, inner);
}

Tensor Recurrent::hidden(const Batch& batch, const Pass& pass) const {
  const Encoded encoded = encode(batch.source, batch.sources, pass.within("encoder"));
  const ProfileScope scope("decoder");
  const Pass decoding = pass.within("decoder"), layers = decoding.within("layers");
  const TimeMajor order(batch.targets);
  const auto source_of = sequences_of(order);
  const Tensor tokens = embedded(order.arranged(batch.target_input), embeddings_.target_table(), config_, decoding);
  Tensor x = tokens;
  for (size_t i = 0; i < decoder_.layers.size(); ++i) {
    const Pass inner = layers.within(static_cast<int>(i));
    Tensor z = decoder_.layers[i].input(i == 0 ? x : drop(x, config_.dropout, inner), inner);
    if (i == 0 && every_step()) {
      z = add(z, embedding(encoded.to_gates, source_of));
    }
    x = inner.shown("output", decoder_.layers[i].run(std::move(z), order, encoded.starts[i], inner).hidden);
  }
  const Tensor context = every_step() ? embedding(encoded.to_readout, source_of) : Tensor();
  const Tensor hidden = predict(x, tokens, context, decoding);
  return decoding.shown("output", permute_rows(hidden, order.time_row(), order.packed_row()));
}

OutputLayer Recurrent::output() const {
  return output_.layer(embeddings_);
}

std::unique_ptr<DecodingState> Recurrent::start(std::span<const int32_t> source, const Segments& sources,
                                                std::span<const int> source_of, const Pass& pass) const {
  Encoded encoded = encode(source, sources, pass.within("encoder"));
  auto state = std::make_unique<State>();
  state->layers = std::move(encoded.starts);
  for (size_t i = 0; i < state->layers.size(); ++i) {  // a GRU or a tanh cell has no c, an LSTM begins it at zero
    RecurrentState& layer = state->layers[i];
    if (cell_of(config_) == Cell::lstm && !layer.c) {
      layer.c = Tensor::zeros(layer.h.shape(), layer.h.dtype());
    }
  }
  state->to_gates = encoded.to_gates;
  state->to_readout = encoded.to_readout;
  state->reorder(source_of);
  return state;
}

Tensor Recurrent::step(DecodingState& any_state, std::span<const int32_t> tokens, const Pass& pass) const {
  const ProfileScope scope("decoder.step");
  auto& state = dynamic_cast<State&>(any_state);
  check(static_cast<int>(tokens.size()) == state.count, "step: ", tokens.size(), " tokens for ", state.count, " rows");
  const Tensor fed = embedded(tokens, embeddings_.target_table(), config_, pass);
  Tensor x = fed;
  for (size_t i = 0; i < decoder_.layers.size(); ++i) {
    const RecurrentLayer& layer = decoder_.layers[i];
    Tensor z = layer.input(x, pass);
    if (i == 0 && every_step()) {
      z = add(z, state.to_gates);
    }
    state.layers[i] = RecurrentSteps(layer, pass)(z, state.layers[i]);
    x = state.layers[i].h;
  }
  return predict(x, fed, state.to_readout, pass);
}

// ---- Row of the table -----------------------------------------------------------------------------------------------

namespace {

void set_defaults(ModelConfig& config) {
  config.encoder_layers = config.decoder_layers = 1;
  config.width = 512;
  config.dropout = 0.3;
  config.initialiser = "lecun_uniform";
}

}  // namespace

void set_rnn_defaults(ModelConfig& config) {
  set_defaults(config);
}

void set_gru_defaults(ModelConfig& config) {
  set_defaults(config);
  config.gru_reset = "before";
  config.source_vector = "every_step";
}

void set_lstm_defaults(ModelConfig& config) {
  set_defaults(config);
  config.encoder_layers = config.decoder_layers = 2;
  config.reverse_source = true;
}

void check_recurrent(const ModelConfig& config) {
  check_directions(config);
  check_usage(config.source_vector == "every_step" || config.encoder_layers == config.decoder_layers,
              "decoder-layers: expected as many as encoder-layers (", config.encoder_layers,
              ") for source-vector = \"start\", where each layer begins where the encoder's ended, got ",
              config.decoder_layers);
}

}  // namespace attune
