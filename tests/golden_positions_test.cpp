// Positions inside self-attention against PyTorch, as an encoder's and a decoder's: outputs, all gradients, and step by
// step (tests/goldens/make_positions_golden.py).
#include "attune/attention/scaled_dot_relative.h"
#include "attune/autograd/tape.h"
#include "attune/nn/multi_head_attention.h"
#include "golden_values.h"

namespace attune {
namespace {

using testing::expect_near;
using testing::wave;

const nlohmann::json& golden() {
  static const nlohmann::json all = testing::golden_file("positions_golden.json");
  return all;
}

struct Layer {
  Layer(const nlohmann::json& run, DType dtype)
      : attention({.width = 12,
                   .heads = 3,
                   .causal = run["causal"],
                   .positions = position_kind_of_name(run["positions"].get<std::string>()),
                   .max_positions = 6}) {
    attention.collect(parameters, "");
    parameters.allocate(dtype);
    testing::set_start_values(parameters);
  }
  MultiHeadAttention attention;
  Parameters parameters;
  const Segments segments = Segments::of_lengths(std::vector<int>{4, 1, 21});
};

std::string name_of(const nlohmann::json& run) {
  return run["positions"].get<std::string>() + (run["causal"] ? ", decoder " : ", encoder ");
}

TEST(GoldenPositions, output_and_every_gradient_equal_pytorch) {
  ASSERT_EQ(golden()["layers"].size(), 10U);
  for (const auto& run : golden()["layers"]) {
    for (const DType dtype : {DType::float64, DType::float32}) {
      const double tolerance = dtype == DType::float64 ? 1e-10 : 5e-6;
      const Layer layer(run, dtype);
      const Tensor x = wave(30, {layer.segments.rows(), 12}).to(dtype);
      Tape tape(layer.parameters);
      tape.watch(x);
      const Tensor y = layer.attention(x, layer.segments, x, layer.segments, {});
      const Tensor seed = wave(31, y.shape()).to(dtype);
      const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&seed, 1));
      expect_near(y, run["output"], tolerance, name_of(run) + "output");
      expect_near(gradients.of(x), run["of-input"], tolerance, name_of(run) + "input");
      ASSERT_EQ(run["gradients"].size(), layer.parameters.entries().size()) << name_of(run);
      for (const auto& entry : layer.parameters.entries()) {
        const std::string name = entry.name.substr(1);  // "", then "."
        expect_near(gradients[entry.name], run["gradients"].at(name), tolerance, name_of(run) + name);
      }
    }
  }
}

TEST(GoldenPositions, a_decoder_step_by_step_equals_pytorch) {
  for (const auto& run : golden()["layers"]) {
    if (!run["causal"]) continue;
    const Layer layer(run, DType::float32);
    const Tensor x = wave(30, {layer.segments.rows(), 12}).to(DType::float32);
    const auto expected = run["output"].get<std::vector<double>>();
    const auto state = layer.attention.begin(1);
    for (int64_t row = layer.segments.begin(2); row < layer.segments.rows(); ++row) {
      const Tensor y = layer.attention.step(x.rows_view(row, 1).clone(), *state, {});
      for (int64_t c = 0; c < 12; ++c) {
        ASSERT_NEAR(y.at(c), expected[static_cast<size_t>(row * 12 + c)], 5e-6) << name_of(run) << row;
      }
    }
  }
}

TEST(GoldenPositions, buckets_of_distances_far_and_near_equal_pytorch) {
  for (const bool encoder : {true, false}) {
    const attention::Buckets buckets{Tensor::zeros({1, 32}), 128, encoder};
    const auto expected = golden()["buckets"][encoder ? "encoder" : "decoder"].get<std::vector<int64_t>>();
    ASSERT_EQ(expected.size(), 401U);
    for (int64_t relative = -200; relative <= 200; ++relative) {
      EXPECT_EQ(attention::bucket_of(buckets, relative), expected[static_cast<size_t>(relative + 200)]) << relative;
    }
  }
}

}  // namespace
}  // namespace attune
