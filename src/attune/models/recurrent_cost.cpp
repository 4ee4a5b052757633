#include <algorithm>

#include "attune/models/recurrent.h"

namespace attune {

namespace {

Cell cell_of(const ModelConfig& config) {
  return cell_of(config.architecture, config);
}

int64_t kept_activations(const ModelConfig& config, const CostOptions& options) {
  const int64_t width = config.width, full = options.bytes.full, copy = options.bytes.copy();
  const bool drops = config.dropout > 0;
  const int64_t direction = config.bidirectional ? width / 2 : width, directions = config.bidirectional ? 2 : 1;
  // What a product reads of a tensor that nothing else keeps, and of one that is kept anyway.
  const auto read = [&](int64_t products) { return width * (options.bytes.rounds() ? products * copy : full); };
  const auto read_again = [&](int64_t products) { return width * products * copy; };
  const bool joined = config.bidirectional;
  const int64_t between_source = drops || joined ? read(directions) : read_again(directions);
  const int64_t between_target = drops ? read(1) : read_again(1);
  const int64_t source = read(directions) +
                         config.encoder_layers * directions * full * kept_by_recurrence(cell_of(config)) * direction +
                         (config.encoder_layers - 1) * between_source;
  int64_t target = read(1) + config.decoder_layers * full * kept_by_recurrence(cell_of(config)) * width +
                   (config.decoder_layers - 1) * between_target + width * full;  // the hidden states, packed
  if (config.source_vector == "every_step") {
    target += width * 2 * full + read_again(2);  // what maxout chose from; states and tokens as products read them
  }
  return options.source * source + options.target * target;
}

// Of one layer: the gates' gradients, the states before, the gradients of the layer's result and of what it read.
int64_t passing_in_backward(const ModelConfig& config, const CostOptions& options) {
  const int64_t gates = gates_of(cell_of(config));
  const int64_t row = config.width * (options.bytes.full * (gates + 3) + options.bytes.copy() * (gates + 1));
  return std::max(options.source, options.target) * row;
}

}  // namespace

ModelCost recurrent_cost(const ModelConfig& config, const CostOptions& options) {
  const int64_t width = config.width, gates = gates_of(cell_of(config));
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
