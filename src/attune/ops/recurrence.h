// A recurrent cell (ops/recurrent_cell.h) over whole sequences: at every step only those still running are computed,
// their gates in one pass, and the weights' gradients are one product over all steps. Equal to the cells applied step
// by step.
#pragma once

#include <optional>

#include "attune/tensor/tensor.h"
#include "attune/tensor/time_major.h"

namespace attune {

// gru_reset_before and gru_reset_after: whether the reset gate acts before the product with the candidate's weight.
enum class Cell : uint8_t { tanh, gru_reset_before, gru_reset_after, lstm };

constexpr int64_t gates_of(Cell cell) {
  return cell == Cell::tanh ? 1 : cell == Cell::lstm ? 4 : 3;
}
constexpr bool is_gru(Cell cell) {
  return cell == Cell::gru_reset_before || cell == Cell::gru_reset_after;
}

// What a backward keeps of a row, in widths of the state: the gates (but tanh's, whose slope is one of the state), the
// state, and an LSTM's c or the product that the reset gate acts on.
constexpr int64_t kept_by_recurrence(Cell cell) {
  const int64_t gates = cell == Cell::tanh ? 0 : gates_of(cell);
  return gates + 1 + (cell == Cell::lstm || cell == Cell::gru_reset_after ? 1 : 0);
}

// What multiplies the state before. H: the width of the state.
struct RecurrentWeights {
  Tensor state;           // tanh [H, H], GRU [2 H, H] (r u), LSTM [4 H, H] (i f g o)
  Tensor candidate;       // GRU only: [H, H]
  Tensor candidate_bias;  // GRU with the reset after the product only: [H], or not given
};

// A row per sequence, in the batch's order. c: LSTM only.
struct RecurrentState {
  Tensor h, c;  // [sequences, H]; not given: zeros
};

struct RecurrenceOptions {
  Cell cell = Cell::lstm;
  bool backward = false;           // reads each sequence from its end
  DType compute = DType::float32;  // of the products with the weights
};

struct Recurrence {
  Tensor hidden;         // [rows, H], time-major
  RecurrentState state;  // after the last row that was read
};

// z [rows, gates H], time-major: the input's share W x + b of what the gates read (GRU: r u candidate). Its elements
// are overwritten when no other tensor shares them: move it in, and nothing is copied.
Recurrence recurrence(Tensor z, const RecurrentWeights& weights, const TimeMajor& order, const RecurrentState& start,
                      const RecurrenceOptions& options);

}  // namespace attune
