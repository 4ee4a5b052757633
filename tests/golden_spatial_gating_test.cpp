// Spatial gating units and gMLP and aMLP blocks against PyTorch: output and all gradients
// (tests/goldens/make_spatial_gating_golden.py).
#include "attune/attention/spatial_gating.h"
#include "attune/autograd/tape.h"
#include "attune/models/architecture.h"
#include "attune/models/mixer_options.h"
#include "attune/models/transformer.h"
#include "golden_values.h"

namespace attune {
namespace {

using testing::expect_near;
using testing::golden_file;
using testing::start_value;
using testing::wave;

constexpr double epsilon = 1e-3;
constexpr int positions = 6;

const Segments& sentences() {
  static const Segments segments = Segments::of_lengths(std::vector<int>{3, 1, 5, 2});
  return segments;
}

// Of every run in both types: (run, type, tolerance).
template <class Check>
void each_run(const char* part, Check&& check) {
  const nlohmann::json runs = golden_file("spatial_gating_golden.json")[part];
  ASSERT_GE(runs.size(), 7U);
  for (const auto& run : runs) {
    for (const DType dtype : {DType::float64, DType::float32}) {
      SCOPED_TRACE(run["gate"].get<std::string>() + (run["causal"] ? ", causal" : "") +
                   (run["toeplitz"] ? ", toeplitz" : "") + (dtype == DType::float64 ? ", float64" : ", float32"));
      check(run, dtype, dtype == DType::float64 ? 1e-10 : 3e-6);
    }
  }
}

TEST(GoldenSpatialGating, output_and_every_gradient_of_a_unit_equal_pytorch) {
  each_run("units", [](const nlohmann::json& run, DType dtype, double tolerance) {
    const attention::Gate gate = attention::gate_of_name(run["gate"].get<std::string>(), "gate");
    const int64_t inner = 8, channels = attention::gate_channels(gate, inner), heads = run["heads"];
    const Tensor z = wave(9, {sentences().rows(), inner}).to(dtype);
    const std::vector<std::pair<std::string, Tensor>> parameters{
        {"gate_norm.weight", start_value(0, {channels}, "norm.weight").to(dtype)},
        {"gate_norm.bias", start_value(1, {channels}, "bias").to(dtype)},
        {"spatial.weight",
         start_value(2, run["toeplitz"] ? Shape{heads, 2 * positions - 1} : Shape{heads, positions, positions},
                     "weight")
             .to(dtype)},
        {"spatial.bias", start_value(3, {heads, positions}, "bias").to(dtype)}};
    Tape tape;
    tape.watch(z);
    for (const auto& [name, parameter] : parameters) tape.watch(parameter);
    const Tensor y = attention::spatial_gating(
        {z, parameters[0].second, parameters[1].second, parameters[2].second, parameters[3].second}, sentences(),
        {.gate = gate, .causal = run["causal"], .epsilon = epsilon});
    const Tensor seed = wave(8, y.shape()).to(dtype);
    const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&seed, 1));
    expect_near(y, run["output"], tolerance, "output");
    expect_near(gradients.of(z), run["of-input"], tolerance, "input");
    ASSERT_EQ(run["gradients"].size(), parameters.size());
    for (const auto& [name, parameter] : parameters) {
      expect_near(gradients.of(parameter), run["gradients"].at(name), tolerance, name);
    }
  });
}

TEST(GoldenSpatialGating, output_and_every_gradient_of_a_block_equal_pytorch) {
  each_run("blocks", [](const nlohmann::json& run, DType dtype, double tolerance) {
    ModelConfig config = defaults_of("transformer");
    config.encoder_mixer = "spatial_gating";
    config.width = 4, config.heads = 1, config.feed_forward = 12, config.max_positions = positions;
    config.spatial_gate = run["gate"], config.spatial_norm_epsilon = epsilon;
    config.tiny_attention = run["tiny-attention"], config.tiny_attention_heads = run["tiny-attention-heads"];
    config.dropout = 0;
    EncoderLayer layer(config, {});
    if (run["causal"]) {
      layer.self_attention = make_mixer("spatial_gating", causal_mixer_options(config, 0));
    }
    Parameters parameters = parameters_of(layer);
    parameters.allocate(dtype);
    testing::set_start_values(parameters);
    const Tensor x = wave(9, {sentences().rows(), 4}).to(dtype);
    Tape tape(parameters);
    tape.watch(x);
    const Tensor y = attune::run(layer.sublayers({}), {x}, {sentences()}).out();
    const Tensor seed = wave(8, y.shape()).to(dtype);
    const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&seed, 1));
    expect_near(y, run["output"], tolerance, "output");
    expect_near(gradients.of(x), run["of-input"], tolerance, "input");
    expect_near(parameters, gradients, run["gradients"], tolerance);
  });
}

}  // namespace
}  // namespace attune
