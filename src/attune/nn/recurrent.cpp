#include "attune/nn/recurrent.h"

#include <array>

#include "attune/base/profile.h"
#include "attune/ops/activation.h"
#include "attune/ops/concat.h"
#include "attune/ops/embedding.h"
#include "attune/ops/recurrent_cell.h"

namespace attune {

RecurrentLayer::RecurrentLayer(const RecurrentOptions& settings)
    : options(settings),
      input({settings.in, gates_of(settings.cell) * settings.width, settings.biases}, settings.initialiser) {
  const int64_t width = settings.width;
  if (settings.cell == Cell::lstm && settings.biases) {
    input.bias.initialiser = {Initialiser::Kind::forget_gate, settings.forget_bias};
  }
  if (is_gru(settings.cell)) {
    recurrent_weight = Parameter({2 * width, width}, settings.recurrent_initialiser);
    candidate_weight = Parameter({width, width}, settings.recurrent_initialiser);
  } else {
    recurrent_weight = Parameter({gates_of(settings.cell) * width, width}, settings.recurrent_initialiser);
  }
  if (settings.cell == Cell::gru_reset_after && settings.biases) {
    candidate_bias = Parameter({width}, {});
  }
}

Recurrence RecurrentLayer::operator()(const Tensor& x, const TimeMajor& order, const RecurrentState& start,
                                      const Pass& pass) const {
  return run(input(x, pass), order, start, pass);
}

Recurrence RecurrentLayer::run(Tensor z, const TimeMajor& order, const RecurrentState& start, const Pass& pass) const {
  return recurrence(std::move(z), weights(), order, start,
                    {.cell = options.cell, .backward = options.backward, .compute = pass.compute});
}

RecurrentState RecurrentLayer::zero_state(int64_t rows, DType dtype) const {
  const Shape shape{rows, options.width};
  return {Tensor::zeros(shape, dtype), options.cell == Cell::lstm ? Tensor::zeros(shape, dtype) : Tensor()};
}

RecurrentSteps::RecurrentSteps(const RecurrentLayer& layer, const Pass& pass)
    : cell_(layer.options.cell), width_(layer.options.width), recurrent_(layer.recurrent_weight, {}, pass.compute) {
  if (is_gru(cell_)) {
    candidate_ = StepLinear(layer.candidate_weight, layer.candidate_bias, pass.compute);
  }
}

RecurrentState RecurrentSteps::operator()(const Tensor& z, const RecurrentState& before) const {
  const ProfileScope scope("recurrent_step");
  if (cell_ == Cell::tanh) {
    return {tanh(recurrent_(before.h, z)), {}};
  }
  if (cell_ == Cell::lstm) {
    const LstmState next = lstm_cell(recurrent_(before.h, z), before.c);
    return {next.h, next.c};
  }
  const std::array<int64_t, 2> parts{2 * width_, width_};
  const auto shares = split(z, parts, Along::columns);
  const Tensor gates = recurrent_(before.h, shares[0]);
  if (cell_ == Cell::gru_reset_after) {
    const auto [candidate, update] = gru_gates(gates, candidate_(before.h), shares[1]);
    return {gru_blend(update, candidate, before.h), {}};
  }
  const auto [reset, update] = gru_gates(gates, before.h);
  return {gru_blend(update, candidate_(reset, shares[1]), before.h), {}};
}

RecurrentState select_rows(const RecurrentState& state, std::span<const int> from) {
  return {embedding(state.h, from), state.c ? embedding(state.c, from) : Tensor()};
}

}  // namespace attune
