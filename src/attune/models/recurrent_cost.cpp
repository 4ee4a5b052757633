#include <algorithm>

#include "attune/models/recurrent.h"

namespace attune {

namespace {

int64_t gates_in(const ModelConfig& config) {
  return config.architecture == "lstm" ? 4 : config.architecture == "gru" ? 3 : 1;
}

// Elements of a row that one layer of states `width` wide keeps for its backward: the gates but for tanh, whose slope
// is one of the state; the states; what the cell has besides (an LSTM's c; U_n h where the reset gate acts on that).
int64_t kept_by_layer(const ModelConfig& config, int64_t width) {
  const int64_t gates = gates_in(config);
  const bool extra = gates == 4 || (gates == 3 && config.gru_reset == "after");
  return width * ((gates == 1 ? 0 : gates) + 1 + (extra ? 1 : 0));
}

int64_t kept_activations(const ModelConfig& config, const CostOptions& options) {
  const int64_t width = config.width, full = options.bytes.full, copy = options.bytes.copy();
  const bool drops = config.dropout > 0;
  const int64_t direction = config.bidirectional ? width / 2 : width, directions = config.bidirectional ? 2 : 1;
  // What a layer reads: its own tensor where that is dropped from or joined, and a rounded copy for each direction.
  const int64_t embedded = width * (full + directions * copy);
  const int64_t between_source = width * ((drops || config.bidirectional ? full : 0) + directions * copy);
  const int64_t between_target = width * ((drops ? full : 0) + copy);
  const int64_t source = embedded + config.encoder_layers * directions * full * kept_by_layer(config, direction) +
                         (config.encoder_layers - 1) * between_source;
  int64_t target = width * (full + copy) + config.decoder_layers * full * kept_by_layer(config, width) +
                   (config.decoder_layers - 1) * between_target + width * full;  // the hidden states, packed
  if (config.source_vector == "every_step") {
    target += width * (2 * full + 2 * copy);  // what maxout chose from; rounded states and tokens
  }
  return options.source * source + options.target * target;
}

// Of one layer: the gates' gradients, the states before, the gradients of the layer's result and of what it read.
int64_t passing_in_backward(const ModelConfig& config, const CostOptions& options) {
  const int64_t gates = gates_in(config);
  const int64_t row = config.width * (options.bytes.full * (gates + 3) + options.bytes.copy() * (gates + 1));
  return std::max(options.source, options.target) * row;
}

}  // namespace

ModelCost recurrent_cost(const ModelConfig& config, const CostOptions& options) {
  const int64_t width = config.width, gates = gates_in(config);
  const int64_t direction = config.bidirectional ? width / 2 : width, directions = config.bidirectional ? 2 : 1;
  ModelCost cost;
  cost.source_multiply_adds = config.encoder_layers * directions * gates * direction * (width + direction);
  cost.target_multiply_adds = config.decoder_layers * gates * width * 2 * width;
  if (config.source_vector == "every_step") {  // products that are once a sentence are not counted
    cost.target_multiply_adds += 4 * width * width;
  }
  cost.kept = kept_activations(config, options);
  cost.passing = passing_in_backward(config, options);
  return cost;
}

}  // namespace attune
