#include "attune/models/recurrent_encoder.h"

#include <array>

#include "attune/base/check.h"
#include "attune/base/profile.h"
#include "attune/nn/initialise.h"
#include "attune/ops/concat.h"
#include "attune/ops/permute_rows.h"

namespace attune {

RecurrentEncoder::RecurrentEncoder(const RecurrentEncoderOptions& settings) : dropout(settings.dropout) {
  for (int i = 0; i < settings.layers; ++i) {
    RecurrentOptions layer;
    layer.cell = settings.cell;
    layer.in = i == 0 ? settings.in : settings.width * (settings.bidirectional ? 2 : 1);
    layer.width = settings.width;
    layer.biases = settings.biases;
    layer.backward = !settings.bidirectional && settings.reversed;
    layer.forget_bias = settings.forget_bias;
    layer.initialiser = settings.initialiser;
    layer.recurrent_initialiser = settings.recurrent_initialiser;
    forwards.emplace_back(layer);
    if (settings.bidirectional) {
      layer.backward = true;
      backwards.emplace_back(layer);
    }
  }
}

RecurrentState RecurrentEncoder::Encoded::last(size_t layer) const {
  const RecurrentState& forward = forwards[layer];
  if (backwards.empty()) {
    return forward;
  }
  const RecurrentState& backward = backwards[layer];
  return {concat(std::array{forward.h, backward.h}, Along::columns),
          forward.c ? concat(std::array{forward.c, backward.c}, Along::columns) : Tensor()};
}

RecurrentEncoder::Encoded RecurrentEncoder::operator()(const Tensor& x, const Segments& segments,
                                                       const Pass& pass) const {
  const TimeMajor order(segments);
  Encoded result = (*this)(permute_rows(x, order.packed_row(), order.time_row()), order, pass);
  result.states = permute_rows(result.states, order.time_row(), order.packed_row());
  return result;
}

RecurrentEncoder::Encoded RecurrentEncoder::operator()(const Tensor& x, const TimeMajor& order,
                                                       const Pass& pass) const {
  Encoded result{x, {}, {}};
  for (size_t i = 0; i < forwards.size(); ++i) {
    const ProfileScope scope("encoder.layer");
    const Pass inner = pass.within(static_cast<int>(i));
    const Tensor read = i == 0 ? x : drop(result.states, dropout, inner);
    const Recurrence forward = forwards[i](read, order, {}, inner);
    result.forwards.push_back(forward.state);
    result.states = forward.hidden;
    if (!backwards.empty()) {
      const Recurrence backward = backwards[i](read, order, {}, inner);
      result.backwards.push_back(backward.state);
      result.states = concat(std::array{forward.hidden, backward.hidden}, Along::columns);
    }
    inner.offer("output", result.states);
  }
  return result;
}

Cell cell_of(std::string_view word, const ModelConfig& config) {
  if (word == "gru") {
    return config.gru_reset == "before" ? Cell::gru_reset_before : Cell::gru_reset_after;
  }
  return word == "lstm" ? Cell::lstm : Cell::tanh;
}

RecurrentEncoderOptions encoder_options(const ModelConfig& config, Cell cell) {
  RecurrentEncoderOptions options;
  options.cell = cell;
  options.layers = config.encoder_layers;
  options.in = config.width;
  options.width = config.bidirectional ? config.width / 2 : config.width;
  options.bidirectional = config.bidirectional;
  options.reversed = config.reverse_source;
  options.biases = config.biases;
  options.forget_bias = config.forget_bias;
  options.dropout = config.dropout;
  options.initialiser = initialiser_of_name(config.initialiser);
  options.recurrent_initialiser = initialiser_of_name(config.recurrent_initialiser, "recurrent-initialiser");
  return options;
}

RecurrentLayer decoder_layer(const ModelConfig& config, Cell cell) {
  const RecurrentEncoderOptions encoder = encoder_options(config, cell);
  RecurrentOptions options;
  options.cell = cell;
  options.in = options.width = config.width;
  options.biases = config.biases;
  options.forget_bias = config.forget_bias;
  options.initialiser = encoder.initialiser;
  options.recurrent_initialiser = encoder.recurrent_initialiser;
  return RecurrentLayer(options);
}

void check_directions(const ModelConfig& config) {
  check_usage(!config.bidirectional || config.width % 2 == 0,
              "width: expected an even number for bidirectional = true, whose directions get half of it each, got ",
              config.width);
  check_usage(!config.bidirectional || !config.reverse_source,
              "reverse-source: means nothing together with bidirectional = true");
}

}  // namespace attune
