#include "attune/nn/recurrent_formats.h"

#include <array>

#include "attune/autograd/tape.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/concat.h"

namespace attune {

namespace {

void set(Parameter& parameter, const char* name, const Tensor& value) {
  check(parameter.allocated() && parameter.shape() == value.shape(), name, " is ", value.shape(), ", the layer has ",
        parameter.shape());
  parameter.copy_from(value);
}

Tensor rows(const Tensor& x, int64_t begin, int64_t count) {
  return x.rows_view(begin, count);
}

// [rows, columns] -> [columns, rows]
Tensor transposed(const Tensor& x) {
  Tensor y = Tensor::empty({x.size(1), x.size(0)}, DType::float64);
  auto to = y.data<double>();
  for (int64_t i = 0; i < x.size(0); ++i) {
    for (int64_t j = 0; j < x.size(1); ++j) {
      to[static_cast<size_t>(j * x.size(0) + i)] = x.at(i * x.size(1) + j);
    }
  }
  return y;
}

}  // namespace

void load_pytorch(RecurrentLayer& layer, const PytorchRecurrent& weights) {
  const NoTape pause;
  const Cell cell = layer.options.cell;
  const int64_t width = layer.options.width;
  check(cell != Cell::gru_reset_before,
        "load_pytorch: a GRU of PyTorch resets after the product, the layer resets before it");
  check(!!weights.bias_ih == !!layer.input.bias && !!weights.bias_hh == !!layer.input.bias,
        "load_pytorch: expected both biases or none, as the layer has them");
  set(layer.input.weight, "weight_ih", weights.weight_ih);
  if (cell != Cell::gru_reset_after) {
    set(layer.recurrent_weight, "weight_hh", weights.weight_hh);
    if (layer.input.bias) {
      set(layer.input.bias, "bias_ih", add(weights.bias_ih, weights.bias_hh));
    }
    return;
  }
  check(weights.weight_hh.shape() == Shape({3 * width, width}), "weight_hh is ", weights.weight_hh.shape(),
        ", expected ", Shape({3 * width, width}));
  set(layer.recurrent_weight, "weight_hh", rows(weights.weight_hh, 0, 2 * width));
  set(layer.candidate_weight, "weight_hh", rows(weights.weight_hh, 2 * width, width));
  if (layer.input.bias) {
    const Tensor gates = add(rows(weights.bias_ih, 0, 2 * width), rows(weights.bias_hh, 0, 2 * width));
    set(layer.input.bias, "bias_ih", concat(std::array{gates, rows(weights.bias_ih, 2 * width, width)}, Along::rows));
    set(layer.candidate_bias, "bias_hh", rows(weights.bias_hh, 2 * width, width));
  }
}

void load_tensorflow_lstm(RecurrentLayer& layer, const Tensor& kernel, const Tensor& bias, double forget_bias) {
  const NoTape pause;
  const int64_t in = layer.options.in, width = layer.options.width;
  check(layer.options.cell == Cell::lstm && !!layer.input.bias, "load_tensorflow_lstm: expected an LSTM with biases");
  check(kernel.shape() == Shape({in + width, 4 * width}) && bias.shape() == Shape({4 * width}),
        "load_tensorflow_lstm: kernel ", kernel.shape(), " and bias ", bias.shape(), ", expected ",
        Shape({in + width, 4 * width}), " and ", Shape({4 * width}));
  // i j f o to i f g o
  const auto reordered = [&](const Tensor& x) {
    const auto gate = [&](int64_t k) { return rows(x, k * width, width); };
    return concat(std::array{gate(0), gate(2), gate(1), gate(3)}, Along::rows);
  };
  set(layer.input.weight, "kernel", reordered(transposed(kernel.rows_view(0, in).compact())));
  set(layer.recurrent_weight, "kernel", reordered(transposed(kernel.rows_view(in, width).compact())));
  Tensor biases = reordered(bias.to(DType::float64)).clone();
  for (double& value : biases.data<double>().subspan(static_cast<size_t>(width), static_cast<size_t>(width))) {
    value += forget_bias;
  }
  set(layer.input.bias, "bias", biases);
}

}  // namespace attune
