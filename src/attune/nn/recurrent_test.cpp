#include "attune/nn/recurrent.h"

#include <gtest/gtest.h>

#include <cmath>

#include "attune/base/error_of_test.h"
#include "attune/nn/initialise.h"
#include "attune/nn/module_gradients.h"
#include "attune/ops/concat.h"
#include "attune/ops/embedding.h"
#include "attune/ops/op_checks.h"
#include "attune/ops/permute_rows.h"

namespace attune {
namespace {

using namespace testing;

constexpr std::array cells{Cell::tanh, Cell::gru_reset_before, Cell::gru_reset_after, Cell::lstm};

RecurrentLayer layer_of(Cell cell, int64_t in, int64_t width) {
  RecurrentOptions options;
  options.cell = cell;
  options.in = in;
  options.width = width;
  return RecurrentLayer(options);
}

// Whole sequences at once: hidden states, then the last ones.
Tensor at_once(const RecurrentLayer& layer, const Tensor& x, const Segments& segments) {
  const TimeMajor order(segments);
  const auto [hidden, last] = layer(permute_rows(x, order.packed_row(), order.time_row()), order, {}, {});
  return concat(std::vector<Tensor>{permute_rows(hidden, order.time_row(), order.packed_row()), last.h}, Along::rows);
}

// The same one sequence and one step after the other.
Tensor step_by_step(const RecurrentLayer& layer, const Tensor& x, const Segments& segments) {
  const RecurrentSteps steps(layer, {});
  std::vector<Tensor> hidden, last;
  for (int s = 0; s < segments.count(); ++s) {
    RecurrentState state = layer.zero_state(1, x.dtype());
    for (int t = 0; t < segments.length(s); ++t) {
      const std::vector<int32_t> row{static_cast<int32_t>(segments.begin(s)) + t};
      state = steps(layer.input(embedding(x, row), {}), state);
      hidden.push_back(state.h);
    }
    last.push_back(state.h);
  }
  hidden.insert(hidden.end(), last.begin(), last.end());
  return concat(hidden, Along::rows);
}

const std::vector<int> lengths{2, 0, 3, 1};

TEST(RecurrentLayer, has_the_gradients_of_its_definition_at_once_and_step_by_step) {
  const Segments segments = Segments::of_lengths(lengths);
  const Tensor x = random_tensor({segments.rows(), 3}, Rng(1));
  for (Cell cell : cells) {
    RecurrentLayer layer = layer_of(cell, 3, 2);
    const Parameters list = parameters_of(layer);
    for (const auto& form : {at_once, step_by_step}) {
      const auto worst = module_gradient_error(list, x, [&](const Tensor& in) { return form(layer, in, segments); });
      EXPECT_LT(worst.error, 1e-7) << worst.where;
    }
  }
}

TEST(RecurrentLayer, gives_the_same_bits_at_once_and_step_by_step) {
  const Segments segments = Segments::of_lengths(lengths);
  const Tensor x = random_tensor({segments.rows(), 20}, Rng(1), DType::float32);
  for (Cell cell : cells) {
    RecurrentLayer layer = layer_of(cell, 20, 70);
    Parameters list = parameters_of(layer);
    list.allocate();
    initialise(list, Rng(3));
    EXPECT_TRUE(same_bits(at_once(layer, x, segments), step_by_step(layer, x, segments)));
  }
}

TEST(RecurrentLayer, begins_with_small_inputs_orthogonal_states_and_an_open_forget_gate) {
  RecurrentOptions options;
  options.in = 8;
  options.width = 6;
  options.forget_bias = 1;
  RecurrentLayer layer(options);
  Parameters list = parameters_of(layer);
  list.allocate(DType::float64);
  initialise(list, Rng(1));
  for (int64_t i = 0; i < 24; ++i) EXPECT_EQ(layer.input.bias.at(i), i / 6 == 1 ? 1 : 0);
  for (int64_t a = 0; a < 6; ++a) {
    double square = 0;
    for (int64_t row = 0; row < 24; ++row)
      square += layer.recurrent_weight.at(row * 6 + a) * layer.recurrent_weight.at(row * 6 + a);
    EXPECT_NEAR(square, 1, 1e-12);
  }
}

// The norm of d h_T / d z_t against that at the last step, `distance` steps before it, of a layer as it begins but for
// recurrent weights drawn as in PyTorch, U(-1 / sqrt(H), 1 / sqrt(H)): what arrives of a loss at a word that far back.
double arriving(Cell cell, int distance) {
  constexpr int64_t width = 64;
  RecurrentOptions options;
  options.cell = cell;
  options.in = options.width = width;
  options.forget_bias = 1;
  options.recurrent_initialiser = {Initialiser::Kind::uniform, 1 / std::sqrt(static_cast<double>(width))};
  RecurrentLayer layer(options);
  Parameters list = parameters_of(layer);
  list.allocate(DType::float64);
  initialise(list, Rng(5));
  const int steps = distance + 1;
  const Tensor z = layer.input(random_tensor({steps, width}, Rng(6)), {});
  Tape tape;
  tape.watch(z);
  const Tensor last = layer.run(z, TimeMajor(Segments::equal(1, steps)), {}, {}).state.h;
  const Tensor seed = random_tensor(last.shape(), Rng(7));
  const Tensor gradient = tape.backward(std::span(&last, 1), std::span(&seed, 1)).of(z);
  const auto norm_of = [&](int64_t row) {
    double square = 0;
    for (int64_t i = 0; i < z.columns(); ++i) square += std::pow(gradient.at(row * z.columns() + i), 2);
    return std::sqrt(square);
  };
  return norm_of(0) / norm_of(steps - 1);
}

// steps back     5         10         20         30
//   tanh      5.5e-3     7.8e-5     5.8e-9    1.1e-13
//   GRU       4.4e-2     3.8e-3     1.1e-5     9.6e-8
//   LSTM      1.8e-1     3.5e-2     1.8e-3     1.3e-4   (forget bias 1)
TEST(RecurrentLayer, gradients_vanish_without_gates_and_last_with_them) {
  for (int distance : {5, 10, 20, 30}) {
    const double rnn = arriving(Cell::tanh, distance), gru = arriving(Cell::gru_reset_after, distance);
    const double lstm = arriving(Cell::lstm, distance);
    EXPECT_LT(rnn, std::pow(0.4, distance)) << distance;
    EXPECT_GT(gru, std::pow(0.5, distance)) << distance;
    EXPECT_GT(lstm, std::pow(0.7, distance)) << distance;
  }
}

TEST(RecurrentLayer, lists_the_parameters_of_its_cell) {
  const auto names = [](Cell cell) {
    RecurrentLayer layer = layer_of(cell, 3, 2);
    std::string text;
    const Parameters list = parameters_of(layer);
    for (const auto& entry : list.entries()) text += entry.name + entry.parameter->shape().text() + " ";
    return text;
  };
  EXPECT_EQ(names(Cell::tanh), "input.weight[2, 3] input.bias[2] recurrent.weight[2, 2] ");
  EXPECT_EQ(names(Cell::lstm), "input.weight[8, 3] input.bias[8] recurrent.weight[8, 2] ");
  EXPECT_EQ(names(Cell::gru_reset_before),
            "input.weight[6, 3] input.bias[6] recurrent.weight[4, 2] candidate.weight[2, 2] ");
  EXPECT_EQ(names(Cell::gru_reset_after),
            "input.weight[6, 3] input.bias[6] recurrent.weight[4, 2] candidate.weight[2, 2] candidate.bias[2] ");
}

}  // namespace
}  // namespace attune
