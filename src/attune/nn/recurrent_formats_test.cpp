#include "attune/nn/recurrent_formats.h"

#include <gtest/gtest.h>

#include <cmath>

#include "attune/base/error_of_test.h"
#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using testing::error_of;

constexpr int64_t in = 3, width = 2;

RecurrentLayer layer_of(Cell cell) {
  RecurrentOptions options;
  options.cell = cell;
  options.in = in;
  options.width = width;
  RecurrentLayer layer(options);
  parameters_of(layer).allocate(DType::float64);
  return layer;
}

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

// TensorFlow's BasicLSTMCell as it is defined: [x h] kernel + bias = i j f o.
void tensorflow_step(const Tensor& kernel, const Tensor& bias, const double* x, double* h, double* c) {
  std::vector<double> z(4 * width);
  for (int64_t gate = 0; gate < 4 * width; ++gate) {
    z[static_cast<size_t>(gate)] = bias.at(gate);
    for (int64_t k = 0; k < in + width; ++k) {
      z[static_cast<size_t>(gate)] += (k < in ? x[k] : h[k - in]) * kernel.at(k * 4 * width + gate);
    }
  }
  for (size_t k = 0; k < width; ++k) {
    c[k] = c[k] * sigmoid(z[2 * width + k] + 1) + sigmoid(z[k]) * std::tanh(z[width + k]);
    h[k] = std::tanh(c[k]) * sigmoid(z[3 * width + k]);
  }
}

TEST(RecurrentFormats, a_tensorflow_lstm_computes_what_it_did_there) {
  const Tensor kernel = random_tensor({in + width, 4 * width}, Rng(1)), bias = random_tensor({4 * width}, Rng(2));
  RecurrentLayer layer = layer_of(Cell::lstm);
  load_tensorflow_lstm(layer, kernel, bias);
  const Tensor x = random_tensor({5, in}, Rng(3));
  const Recurrence found = layer(x, TimeMajor(Segments::equal(1, 5)), {}, {});
  double h[width] = {}, c[width] = {};
  for (int64_t t = 0; t < 5; ++t) {
    tensorflow_step(kernel, bias, x.pointer<double>() + t * in, h, c);
    for (int64_t k = 0; k < width; ++k) EXPECT_NEAR(found.hidden.at(t * width + k), h[k], 1e-14) << t;
  }
}

TEST(RecurrentFormats, name_what_does_not_fit) {
  RecurrentLayer before = layer_of(Cell::gru_reset_before), lstm = layer_of(Cell::lstm), tanh = layer_of(Cell::tanh);
  EXPECT_NE(error_of([&] { load_pytorch(before, {}); }).find("resets after"), std::string::npos);
  EXPECT_NE(error_of([&] { load_pytorch(lstm, {}); }).find("both biases"), std::string::npos);
  const Tensor square = random_tensor({2, 2}, Rng(1)), bias = random_tensor({2}, Rng(2));
  EXPECT_NE(error_of([&] { load_pytorch(tanh, {square, square, bias, bias}); }).find("weight_ih"), std::string::npos);
  EXPECT_NE(error_of([&] { load_tensorflow_lstm(lstm, square, bias); }).find("[5, 8]"), std::string::npos);
  EXPECT_NE(error_of([&] { load_tensorflow_lstm(tanh, square, bias); }).find("LSTM"), std::string::npos);
}

}  // namespace
}  // namespace attune
