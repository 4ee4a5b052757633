#include "attune/ops/recurrent_cell.h"

#include "attune/ops/activation.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/concat.h"
#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using namespace testing;

Tensor both(const Tensor& a, const Tensor& b) {
  return concat(std::vector<Tensor>{a, b}, Along::columns);
}

std::vector<Tensor> parts(const Tensor& z, int64_t count) {
  const std::vector<int64_t> sizes(static_cast<size_t>(count), z.columns() / count);
  return split(z, sizes, Along::columns);
}

// The definitions, in plain ops.
LstmState lstm_definition(const Tensor& z, const Tensor& c) {
  const auto gate = parts(z, 4);
  const Tensor next = add(multiply(sigmoid(gate[1]), c), multiply(sigmoid(gate[0]), tanh(gate[2])));
  return {multiply(sigmoid(gate[3]), tanh(next)), next};
}

Tensor gru_definition(const Tensor& z, const Tensor& candidate, const Tensor& factor, const Tensor& h) {
  const auto gate = parts(z, 2);
  const Tensor u = sigmoid(gate[1]), n = tanh(add(candidate, multiply(sigmoid(gate[0]), factor)));
  return add(subtract(n, multiply(u, n)), multiply(u, h));
}

Tensor lstm(std::vector<Tensor>& x) {
  const auto [h, c] = lstm_cell(x[0], x[1]);
  return both(h, c);
}
Tensor lstm_defined(std::vector<Tensor>& x) {
  const auto [h, c] = lstm_definition(x[0], x[1]);
  return both(h, c);
}
Tensor gru(std::vector<Tensor>& x) {
  const auto [candidate, update] = gru_gates(x[0], x[2], x[1]);
  return gru_blend(update, candidate, x[3]);
}
Tensor gru_defined(std::vector<Tensor>& x) {
  return gru_definition(x[0], x[1], x[2], x[3]);
}

std::vector<Tensor> lstm_operands(int64_t rows, int64_t width) {
  return {random_tensor({rows, 4 * width}, Rng(1)), random_tensor({rows, width}, Rng(2))};
}
std::vector<Tensor> gru_operands(int64_t rows, int64_t width) {
  return {random_tensor({rows, 2 * width}, Rng(1)), random_tensor({rows, width}, Rng(2)),
          random_tensor({rows, width}, Rng(3)), random_tensor({rows, width}, Rng(4))};
}

void expect_equal(const Function& found, const Function& expected, const std::vector<Tensor>& operands) {
  const auto a = run(found, operands), b = run(expected, operands);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_LT(relative_difference(a[i], b[i]), 1e-13) << i;
}

TEST(LstmCell, is_its_definition) {
  expect_equal(lstm, lstm_defined, lstm_operands(5, 19));
}
TEST(LstmCell, has_the_gradients_of_its_definition) {
  for (const auto& [rows, width] : {std::pair{1, 1}, {3, 2}, {2, 5}}) check_op(lstm, lstm_operands(rows, width));
  check_op(lstm, lstm_operands(70, 130), {.gradients = false});
  check_op(lstm, lstm_operands(0, 3), {.gradients = false});
}
TEST(LstmCell, passes_on_the_gradient_of_one_output_alone) {
  check_op([](auto& x) { return lstm_cell(x[0], x[1]).h; }, lstm_operands(2, 3));
  check_op([](auto& x) { return lstm_cell(x[0], x[1]).c; }, lstm_operands(2, 3));
}

TEST(GruCell, is_its_definition) {
  expect_equal(gru, gru_defined, gru_operands(5, 19));
}
TEST(GruCell, has_the_gradients_of_its_definition) {
  for (const auto& [rows, width] : {std::pair{1, 1}, {3, 2}, {2, 5}}) check_op(gru, gru_operands(rows, width));
  check_op(gru, gru_operands(70, 130), {.gradients = false});
  check_op(gru, gru_operands(0, 3), {.gradients = false});
}
TEST(GruCell, passes_on_the_gradient_of_one_output_alone) {
  check_op([](auto& x) { return gru_gates(x[0], x[1]).product; },
           {random_tensor({2, 6}, Rng(1)), random_tensor({2, 3}, Rng(2))});
  check_op([](auto& x) { return gru_gates(x[0], x[1]).update; },
           {random_tensor({2, 6}, Rng(1)), random_tensor({2, 3}, Rng(2))});
}

TEST(RecurrentCells, refuse_what_does_not_fit) {
  const Tensor z = random_tensor({2, 12}, Rng(1)), h = random_tensor({2, 4}, Rng(2));
  EXPECT_NE(error_of([&] { lstm_cell(z, h); }), "no error");
  EXPECT_NE(error_of([&] { gru_gates(z, h); }), "no error");
  EXPECT_NE(error_of([&] { gru_blend(h, z, h); }), "no error");
}

}  // namespace
}  // namespace attune
