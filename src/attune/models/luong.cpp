#include "attune/models/luong.h"

#include <array>

#include "attune/base/option_checks.h"
#include "attune/base/profile.h"
#include "attune/nn/initialise.h"
#include "attune/ops/activation.h"
#include "attune/ops/concat.h"
#include "attune/ops/embedding.h"
#include "attune/ops/permute_rows.h"

namespace attune {

namespace {

RecurrentState first_rows(const RecurrentState& state, int64_t count) {
  return {attune::first_rows(state.h, count), state.c ? attune::first_rows(state.c, count) : Tensor()};
}

}  // namespace

// The decoder's steps, for as many as one tape sees.
class Luong::Steps {
 public:
  Steps(const Luong& model, const Pass& pass)
      : config_(model.config_),
        look_(model.decoder_.attention, looking(pass)),
        combine_(model.decoder_.combine.weight, model.decoder_.combine.bias, pass.compute) {
    for (const RecurrentLayer& layer : model.decoder_.layers) {
      inputs_.emplace_back(layer.input.weight, layer.input.bias, pass.compute);
      advance_.emplace_back(layer, pass);
    }
    if (model.decoder_.feed.weight) {
      feed_ = StepLinear(model.decoder_.feed.weight, {}, pass.compute);
    }
  }

  // input: the first layer's share of the fed token; attended: h~_{t-1}, not given without input feeding. The states
  // go one step further; returns h~_t. pass: of this step.
  attention::SourceRead operator()(const Tensor& input, const Tensor& attended, std::vector<RecurrentState>& states,
                                   const SourceAttention::Memory& memory, const SourceQueries& at,
                                   const Pass& pass) const {
    Tensor z = attended ? feed_(attended, input) : input;
    for (size_t i = 0; i < states.size(); ++i) {
      states[i] = advance_[i](z, states[i]);
      if (i + 1 < states.size()) {
        z = inputs_[i + 1](drop(states[i].h, config_.dropout, pass.within(static_cast<int>(i + 1))));
      }
    }
    attention::SourceRead read = look_(states.back().h, memory, at);
    read.context = attend(read.context, states.back().h);
    return read;
  }

  // h~ of the contexts and the top states.
  Tensor attend(const Tensor& context, const Tensor& top) const {
    return tanh(combine_(concat(std::array{context, top}, Along::columns)));
  }
  const SourceAttentionSteps& look() const { return look_; }

 private:
  const ModelConfig& config_;
  std::vector<StepLinear> inputs_;
  std::vector<RecurrentSteps> advance_;
  SourceAttentionSteps look_;
  StepLinear feed_, combine_;
};

struct Luong::State : DecodingState {
  int rows() const override { return sources.rows(); }
  void reorder(std::span<const int> from) override {
    sources.reorder(from);
    for (RecurrentState& state : states) state = select_rows(state, from);
    if (attended) {
      attended = embedding(attended, from);
    }
  }
  State(SourceAttention::Memory read, const Segments& encoded, std::span<const int> source_of)
      : memory(std::move(read)), sources(encoded, source_of) {}

  SourceAttention::Memory memory;
  RowSources sources;
  std::vector<RecurrentState> states;
  Tensor attended;  // h~_{t-1}, with input feeding
  int position = 0;
};

std::vector<AttentionPlace> luong_attends(const ModelConfig& config) {
  return {{"decoder.layers.0.cross_attention", 1, {{"decoder.combine.weight", 0, config.width}}}};
}

Luong::Luong(const ModelConfig& config) : config_(config), embeddings_(config) {
  const int64_t width = config.width;
  const Initialiser start = initialiser_of_name(config.initialiser);
  const Cell cell = cell_of(config.cell, config);
  encoder_ = RecurrentEncoder(encoder_options(config, cell));
  for (int i = 0; i < config.decoder_layers; ++i) decoder_.layers.push_back(decoder_layer(config, cell));
  if (config.input_feeding) {
    decoder_.feed = Linear({width, gates_of(cell) * width, false}, start);
  }
  decoder_.attention = SourceAttention({.score = score_of_name(config.cross_mixer),
                                        .reach = reach_of_name(config.attention_window),
                                        .query = width,
                                        .memory = width,
                                        .depth = width,
                                        .positions = config.max_positions,
                                        .window = config.window_reach,
                                        .initialiser = start});
  decoder_.combine = Linear({2 * width, width, false}, start);
  output_ = OutputParameters(config);
  parameters_ = parameters_of(*this);
}

Luong::Encoded Luong::encode(std::span<const int32_t> source, const Segments& sources, const Pass& pass) const {
  const ProfileScope scope("encoder");
  const RecurrentEncoder::Encoded encoded =
      encoder_(embedded(source, embeddings_.source_table(), config_, pass), sources, pass.within("layers"));
  Encoded result{decoder_.attention.read(encoded.states, pass), {}};
  for (size_t i = 0; i < decoder_.layers.size(); ++i) result.states.push_back(encoded.last(i));
  return result;
}

Luong::Looked Luong::step_by_step(const Batch& batch, const Encoded& encoded, const Pass& pass) const {
  const TargetSteps order(batch);
  const Steps steps(*this, pass);
  const RecurrentLayer& first = decoder_.layers.front();
  const std::vector<Tensor> inputs = rows_of_steps(
      first.input(embedded(order.input(), embeddings_.target_table(), config_, pass), pass), order.targets);
  std::vector<RecurrentState> states;
  for (const RecurrentState& state : encoded.states) {
    states.push_back(select_rows(state, order.targets.order()));
  }
  std::vector<Tensor> attended, weights;
  const Pass within_layers = pass.within("layers");
  for (int t = 0; t < order.count(); ++t) {
    const int64_t running = order.targets.running(t);
    for (RecurrentState& state : states) state = first_rows(state, running);
    const Tensor fed = t == 0 ? Tensor::zeros({running, config_.width}, inputs[0].dtype())
                              : attune::first_rows(attended.back(), running);
    attention::SourceRead read = steps(inputs[static_cast<size_t>(t)], fed, states, encoded.memory,
                                       {order.queries(t), order.sources, t}, within_layers.within(t));
    attended.push_back(std::move(read.context));
    weights.push_back(std::move(read.weights));
  }
  const auto packed = [&](std::span<const Tensor> parts) {
    return permute_rows(concat(parts, Along::rows), order.targets.time_row(), order.targets.packed_row());
  };
  return {packed(attended), pass.probe != nullptr ? packed(weights) : Tensor()};
}

Luong::Looked Luong::all_at_once(const Batch& batch, const Encoded& encoded, const Pass& pass) const {
  const TimeMajor order(batch.targets);
  const Pass within_layers = pass.within("layers");
  Tensor rows = permute_rows(embedded(batch.target_input, embeddings_.target_table(), config_, pass),
                             order.packed_row(), order.time_row());
  for (size_t i = 0; i < decoder_.layers.size(); ++i) {
    const Pass inner = within_layers.within(static_cast<int>(i));
    rows =
        decoder_.layers[i](i == 0 ? rows : drop(rows, config_.dropout, inner), order, encoded.states[i], inner).hidden;
  }
  const Tensor top = permute_rows(rows, order.time_row(), order.packed_row());
  const Steps steps(*this, pass);
  attention::SourceRead read = steps.look()(top, encoded.memory, {batch.targets, batch.sources, 0, true});
  return {steps.attend(read.context, top), std::move(read.weights)};
}

Tensor Luong::hidden(const Batch& batch, const Pass& pass) const {
  const Encoded encoded = encode(batch.source, batch.sources, pass.within("encoder"));
  const ProfileScope scope("decoder");
  const Pass decoding = pass.within("decoder");
  const Looked looked =
      config_.input_feeding ? step_by_step(batch, encoded, decoding) : all_at_once(batch, encoded, decoding);
  if (pass.probe != nullptr) {
    offer_weights(looked.weights, batch, decoding);
  }
  return decoding.shown("output", drop(looked.hidden, config_.dropout, decoding.within("output")));
}

OutputLayer Luong::output() const {
  return output_.layer(embeddings_);
}

std::unique_ptr<DecodingState> Luong::start(std::span<const int32_t> source, const Segments& sources,
                                            std::span<const int> source_of, const Pass& pass) const {
  Encoded encoded = encode(source, sources, pass.within("encoder"));
  auto state = std::make_unique<State>(std::move(encoded.memory), sources, source_of);
  for (const RecurrentState& each : encoded.states) state->states.push_back(select_rows(each, source_of));
  if (config_.input_feeding) {
    state->attended = Tensor::zeros({state->rows(), config_.width}, state->states[0].h.dtype());
  }
  return state;
}

Tensor Luong::step(DecodingState& any_state, std::span<const int32_t> tokens, const Pass& pass) const {
  const ProfileScope scope("decoder.step");
  auto& state = dynamic_cast<State&>(any_state);
  check(static_cast<int>(tokens.size()) == state.rows(), "step: ", tokens.size(), " tokens for ", state.rows(),
        " rows");
  const Tensor input = decoder_.layers.front().input(embedded(tokens, embeddings_.target_table(), config_, pass), pass);
  const SourceQueries at{Segments::equal(state.rows(), 1), state.sources.segments(), state.position++};
  const Tensor hidden = Steps(*this, pass)(input, state.attended, state.states, state.memory, at, pass).context;
  if (state.attended) {
    state.attended = hidden;
  }
  return hidden;
}

void set_luong_defaults(ModelConfig& config) {
  config.encoder_layers = config.decoder_layers = 2;
  config.width = 256;
  config.cross_mixer = "general";
  config.max_positions = 257;  // what training takes by default: 256 pieces and </s>
  config.initialiser = "lecun_uniform";
  config.dropout = 0.2;
}

void check_luong(const ModelConfig& config) {
  check_word("cross-mixer", config.cross_mixer, {"dot", "general", "concat", "location"});
  check_usage(config.encoder_layers == config.decoder_layers, "decoder-layers: expected as many as encoder-layers (",
              config.encoder_layers, "), whose last states they start from, got ", config.decoder_layers);
  check_directions(config);
}

}  // namespace attune
