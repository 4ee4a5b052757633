// A recurrent layer: what it reads is one product over all steps, the recurrence itself (ops/recurrence.h) computes the
// running sequences only. Whole sequences are time-major (tensor/time_major.h), so that layers and directions that
// stand on one another need no rearrangement in between.
//
//   const TimeMajor order(segments);
//   Tensor x = permute_rows(packed, order.packed_row(), order.time_row());
//   const Recurrence run = layer(x, order, {}, pass);        // run.hidden [rows, width], run.state after the last row
//
// One step at a time, in decoding or where a step needs the one before (attention), also on a tape:
//   const RecurrentSteps steps(layer, pass);
//   for (...) state = steps(layer.input(x_t, pass), state);
#pragma once

#include "attune/nn/linear.h"
#include "attune/ops/recurrence.h"
#include "attune/ops/step_linear.h"

namespace attune {

struct RecurrentOptions {
  Cell cell = Cell::lstm;
  int64_t in = 0, width = 0;
  bool biases = true;
  bool backward = false;   // reads each sequence from its end
  double forget_bias = 0;  // LSTM: what the forget gate's bias begins with (Jozefowicz 2015: 1)
  Initialiser initialiser = {Initialiser::Kind::lecun_uniform, 0};  // of what multiplies the input
  Initialiser recurrent_initialiser = {Initialiser::Kind::orthogonal, 0};
};

struct RecurrentLayer {
  RecurrentLayer() = default;
  explicit RecurrentLayer(const RecurrentOptions& settings);

  // x [rows, in], time-major; start: by sequence, not given: zeros.
  Recurrence operator()(const Tensor& x, const TimeMajor& order, const RecurrentState& start, const Pass& pass) const;
  // The same of input shares z = W x + b (+ whatever else the gates read) [rows, gates width]. Move z in: its memory is
  // used again.
  Recurrence run(Tensor z, const TimeMajor& order, const RecurrentState& start, const Pass& pass) const;

  RecurrentWeights weights() const { return {recurrent_weight, candidate_weight, candidate_bias}; }
  // Of `rows` sequences that have read nothing.
  RecurrentState zero_state(int64_t rows, DType dtype) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("input", self.input);
    each("recurrent.weight", self.recurrent_weight);
    if (self.candidate_weight) {
      each("candidate.weight", self.candidate_weight);
    }
    if (self.candidate_bias) {
      each("candidate.bias", self.candidate_bias);
    }
  }

  RecurrentOptions options;
  Linear input;                                                  // W [gates width, in] and b
  Parameter recurrent_weight, candidate_weight, candidate_bias;  // as in RecurrentWeights
};

// A layer's step, for as many steps as one tape sees: they share one product for each weight's gradient.
class RecurrentSteps {
 public:
  RecurrentSteps(const RecurrentLayer& layer, const Pass& pass);

  // z [n, gates width]: the input's share, layer.input(x, pass); before [n, width], both parts given -> the state
  // after.
  RecurrentState operator()(const Tensor& z, const RecurrentState& before) const;

 private:
  Cell cell_;
  int64_t width_;
  StepLinear recurrent_, candidate_;
};

// The rows of a state: row i of the result is row from[i].
RecurrentState select_rows(const RecurrentState& state, std::span<const int> from);

}  // namespace attune
