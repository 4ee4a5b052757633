// What the recurrent models that attend cost.
#include <algorithm>

#include "attune/models/bahdanau.h"
#include "attune/models/luong.h"

namespace attune {

namespace {

// Rows of `full` tensors and of copies that products read, in widths of the model; what bfloat16 keeps of a product's
// operand is its copy alone, where nothing else reads it.
struct Widths {
  int64_t full = 0, operands = 0;
  int64_t bytes(const ModelConfig& config, const RowBytes& row) const {
    return config.width * (full * row.full + operands * row.operand);
  }
};

Cell cell_of(const ModelConfig& config) {
  return cell_of(config.architecture == "bahdanau" ? "gru" : config.cell, config);
}

// Kept by a layer's steps: gates, state, an LSTM's cell. GRU: two gates, the candidate, the state, and the factor of
// the reset gate, or its product, which another product reads.
Widths kept_by_step(Cell cell) {
  switch (cell) {
    case Cell::lstm:
      return {6, 0};
    case Cell::gru_reset_after:
      return {5, 0};
    case Cell::gru_reset_before:
      return {4, 1};
    case Cell::tanh:
      return {1, 0};
  }
  return {};
}

int64_t visible_tokens(const ModelConfig& config, int length) {
  return config.attention_window == "global" ? length : std::min(length, 2 * config.window_reach + 1);
}

}  // namespace

ModelCost bahdanau_cost(const ModelConfig& config, const CostOptions& options) {
  const int64_t w = config.width, layers = config.encoder_layers;
  const RowBytes& bytes = options.bytes;
  ModelCost cost;
  cost.source_multiply_adds = 2 * 3 * w * (2 * w + (layers - 1) * 3 * w) + 2 * w * w;
  cost.target_multiply_adds = w * w * (3 + 3 + 6 + 1 + 8) + 3 * w * options.length;
  // Source: what the first layer reads, both directions, what is between layers, annotations and their copy, keys.
  const Widths source{2 * layers * kept_by_recurrence(cell_of(config)) + 3,
                      2 + 4 * (layers - 1) + (bytes.rounds() ? 2 : -1)};
  const Widths step = kept_by_step(cell_of(config));
  // Target: what was fed, states, queries, contexts, the readout's operand and what maxout chose from, hidden states.
  const Widths target{step.full + 1 + 2 + 1, step.operands + 1 + (bytes.rounds() ? 2 : 0) + 2 + 4};
  cost.kept = options.source * source.bytes(config, bytes) +
              options.target * (target.bytes(config, bytes) + options.length * bytes.full);
  // When the steps are done: gradients of the readout's operand, those that wait for the weights' products, and the
  // largest of these put together.
  const Widths passing{bytes.rounds() ? 11 : 13, bytes.rounds() ? 5 : 0};
  cost.passing = options.target * passing.bytes(config, bytes) + options.source * 3 * w * bytes.full;
  return cost;
}

ModelCost luong_cost(const ModelConfig& config, const CostOptions& options) {
  const int64_t w = config.width, layers = config.encoder_layers, gates = gates_of(cell_of(config));
  const int64_t directions = config.bidirectional ? 2 : 1, direction = w / directions;
  const bool keys = config.cross_mixer == "general" || config.cross_mixer == "concat";
  const bool location = config.cross_mixer == "location", predicts = config.attention_window == "local-p";
  const int64_t query = location ? config.max_positions : config.cross_mixer == "concat" ? w : 0;
  const RowBytes& bytes = options.bytes;
  ModelCost cost;
  cost.source_multiply_adds = layers * directions * gates * direction * (w + direction) + (keys ? w * w : 0);
  cost.target_multiply_adds = layers * gates * w * 2 * w + (config.input_feeding ? gates * w * w : 0) + 2 * w * w +
                              query * w + (predicts ? w * w + w : 0) +
                              (location ? 1 : 2) * w * visible_tokens(config, options.length);
  const bool drops = config.dropout > 0;
  const Widths source{layers * kept_by_recurrence(cell_of(config)) + 1 + (keys ? 1 : 0) +
                          (drops || config.bidirectional ? layers - 1 : 0) + (bytes.rounds() ? 0 : 1),
                      bytes.rounds() ? directions * layers + (keys ? 1 : 0) : 0};
  const Widths step = kept_by_step(cell_of(config));
  Widths target{1 + (drops ? 1 : 0) + (predicts ? 1 : 0), 1 + 2 + (bytes.rounds() ? 1 : 0)};
  if (config.input_feeding) {
    target.full += layers * step.full;
    target.operands += layers * step.operands + (bytes.rounds() ? layers : 0) + (drops ? layers - 1 : 0);
  } else {
    target.full += layers * kept_by_recurrence(cell_of(config)) + 2;
    target.operands += (bytes.rounds() ? layers - 1 : 0) + (drops ? layers - 1 : 0);
  }
  const int64_t read = options.length * (predicts ? 2 : 1) + query;
  cost.kept =
      options.source * source.bytes(config, bytes) + options.target * (target.bytes(config, bytes) + read * bytes.full);
  const int64_t each = gates == 3 ? 6 : gates;  // a GRU's two products take theirs apart
  const int64_t waiting = config.input_feeding ? layers * each + gates + 3 : gates + 3;
  cost.passing = options.target * w * waiting * bytes.full + options.source * (keys ? 2 : 1) * w * bytes.full;
  return cost;
}

}  // namespace attune
