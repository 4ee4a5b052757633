// Recurrent layers against PyTorch's nn.LSTM and nn.GRU: two layers, both ways, packed sequences of different lengths;
// outputs, last states and every gradient (tests/goldens/make_recurrent_golden.py). Weights, inputs and the gradients
// of the outputs come from the same formula on both sides.
#include "attune/autograd/tape.h"
#include "attune/models/recurrent_encoder.h"
#include "attune/nn/recurrent_formats.h"
#include "attune/ops/concat.h"
#include "golden_values.h"

namespace attune {
namespace {

using testing::wave;

std::string name_of(const char* part, size_t layer, bool backward) {
  return part + ("_l" + std::to_string(layer)) + (backward ? "_reverse" : "");
}

class GoldenRecurrent : public ::testing::TestWithParam<std::tuple<const char*, DType>> {
 protected:
  GoldenRecurrent() {
    const auto all = testing::golden_file("recurrent_golden.json");
    golden_ = all[std::get<0>(GetParam())];
    RecurrentEncoderOptions options;
    options.cell = lstm_ ? Cell::lstm : Cell::gru_reset_after;
    options.layers = all["layers"];
    options.in = all["in"];
    options.width = all["width"];
    options.bidirectional = true;
    encoder_ = RecurrentEncoder(options);
    list_ = parameters_of(encoder_);
    list_.allocate(dtype_);
    int k = 0;
    each_layer([&](RecurrentLayer& layer, size_t, bool) {
      const int64_t gates = (lstm_ ? 4 : 3) * layer.options.width;
      const Tensor input = wave(k, {gates, layer.options.in}), state = wave(k + 1, {gates, layer.options.width});
      load_pytorch(layer, {input, state, wave(k + 2, {gates}), wave(k + 3, {gates})});
      k += 4;
    });
    segments_ = Segments::of_lengths(all["lengths"].get<std::vector<int>>());
    x_ = wave(100, {segments_.rows(), options.in}, 1).to(dtype_);
  }

  // In PyTorch's order.
  template <class Fn>
  void each_layer(Fn&& fn) {
    for (size_t i = 0; i < encoder_.forwards.size(); ++i) {
      fn(encoder_.forwards[i], i, false);
      fn(encoder_.backwards[i], i, true);
    }
  }

  void expect_equal(const Tensor& found, const nlohmann::json& expected, const std::string& what) const {
    testing::expect_near(found, expected, dtype_ == DType::float64 ? 1e-11 : 1e-5, what);
  }

  bool lstm_ = std::string(std::get<0>(GetParam())) == "lstm";
  DType dtype_ = std::get<1>(GetParam());
  nlohmann::json golden_;
  RecurrentEncoder encoder_;
  Parameters list_;
  Segments segments_;
  Tensor x_;
};

TEST_P(GoldenRecurrent, outputs_states_and_gradients_equal_pytorchs) {
  Tape tape(list_);
  tape.watch(x_);
  const auto encoded = encoder_(x_, segments_, {});
  expect_equal(encoded.states, golden_["output"], "output");
  std::vector<Tensor> h, c;
  for (size_t i = 0; i < encoded.forwards.size(); ++i) {
    for (const auto* side : {&encoded.forwards, &encoded.backwards}) {
      h.push_back((*side)[i].h);
      if (lstm_) c.push_back((*side)[i].c);
    }
  }
  std::vector<Tensor> outputs{encoded.states, concat(h, Along::rows)};
  if (lstm_) outputs.push_back(concat(c, Along::rows));
  std::vector<Tensor> seeds;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (i > 0) expect_equal(outputs[i], golden_["last"][i - 1], "last state");
    seeds.push_back(wave(200 + static_cast<int>(i), outputs[i].shape(), 1).to(dtype_));
  }
  const Gradients gradients = tape.backward(outputs, seeds);
  expect_equal(gradients.of(x_), golden_["input_gradient"], "gradient of the input");
  each_layer([&](RecurrentLayer& layer, size_t i, bool backward) {
    const std::string at = (backward ? "backward_layers." : "layers.") + std::to_string(i) + ".";
    const auto& expected = golden_["gradients"];
    expect_equal(gradients[at + "input.weight"], expected[name_of("weight_ih", i, backward)], at + "input.weight");
    expect_equal(gradients[at + "input.bias"], expected[name_of("bias_ih", i, backward)], at + "input.bias");
    Tensor state = gradients[at + "recurrent.weight"];
    if (!lstm_) {
      const Tensor bias = gradients[at + "input.bias"].rows_view(0, 2 * layer.options.width);
      state = concat(std::vector<Tensor>{state, gradients[at + "candidate.weight"]}, Along::rows);
      expect_equal(concat(std::vector<Tensor>{bias, gradients[at + "candidate.bias"]}, Along::rows),
                   expected[name_of("bias_hh", i, backward)], at + "candidate.bias");
    }
    expect_equal(state, expected[name_of("weight_hh", i, backward)], at + "recurrent.weight");
  });
}

INSTANTIATE_TEST_SUITE_P(Cells, GoldenRecurrent,
                         ::testing::Combine(::testing::Values("lstm", "gru"),
                                            ::testing::Values(DType::float64, DType::float32)));

}  // namespace
}  // namespace attune
