// Every sparse pattern and Longformer's two sets of projections against PyTorch, which has the masks written out pair
// by pair (tests/goldens/make_sparse_attention_golden.py): outputs and all gradients.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "attune/attention/longformer.h"
#include "attune/autograd/tape.h"

namespace attune::attention {
namespace {

const Segments& tokens() {
  static const Segments segments = Segments::of_lengths(std::vector<int>{7, 1, 15});
  return segments;
}

Tensor start_value(int k, int64_t rows, DType dtype) {
  Tensor x = Tensor::empty({rows, 2, 2}, DType::float64);
  for (int64_t i = 0; i < x.elements(); ++i) {
    x.pointer<double>()[i] =
        std::sin(0.37 * (k + 1) + 1.7 * static_cast<double>(i) + 0.013 * k * static_cast<double>(i));
  }
  return x.to(dtype);
}

const std::map<std::string, Mask>& patterns() {
  const GlobalTokens global{.leading = 1, .positions = {{5}, {}, {4, 13}}};
  const SlidingWindow dilated{.window = 4, .dilation = {1, 3}};
  const auto bigbird = [](int block, int window, int globals, int random, uint64_t seed) {
    return BigBird{block, window, globals, random, seed};
  };
  static const std::map<std::string, Mask> table{
      {"window", {.pattern = {{SlidingWindow{.window = 6}}}}},
      {"window, dilated", {.pattern = {{dilated}}}},
      {"window, global", {.pattern = {{SlidingWindow{.window = 4}, global}}}},
      {"window, dilated, causal, global", {.causal = true, .pattern = {{dilated, global}}}},
      {"strided", {.pattern = {{StridedPattern{.stride = 4}}}}},
      {"strided, causal", {.causal = true, .pattern = {{StridedPattern{.stride = 4}}}}},
      {"fixed", {.pattern = {{FixedPattern{.stride = 5, .summary = 2}}}}},
      {"fixed, causal", {.causal = true, .pattern = {{FixedPattern{.stride = 5, .summary = 2}}}}},
      {"bigbird", {.pattern = {{bigbird(2, 3, 2, 2, 5)}}}},
      {"bigbird, extended", {.pattern = {{bigbird(3, 1, 0, 1, 6), {.leading = 2}}}}}};
  return table;
}

void expect_near(const Tensor& found, const std::vector<double>& expected, double tolerance, const std::string& what) {
  ASSERT_EQ(found.elements(), static_cast<int64_t>(expected.size())) << what;
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(found.at(static_cast<int64_t>(i)), expected[i], tolerance) << what << '[' << i << ']';
  }
}

// What `attend` makes of the inputs, and their gradients for the golden's seeds.
template <class Attend>
void expect_golden(const nlohmann::json& golden, const std::vector<Tensor>& x, const std::string& name,
                   Attend&& attend) {
  const double tolerance = x[0].dtype() == DType::float64 ? 2e-8 : 3e-6;  // nine digits are stored
  Tape tape;
  for (const Tensor& input : x) tape.watch(input);
  const Tensor out = attend(x);
  Tensor seed = Tensor::empty(out.shape(), DType::float64);
  for (int64_t i = 0; i < seed.elements(); ++i) seed.pointer<double>()[i] = std::cos(0.9 * static_cast<double>(i));
  const std::vector<Tensor> outputs{out}, seeds{seed.to(out.dtype())};
  const Gradients gradients = tape.backward(outputs, seeds);
  expect_near(out, golden["out"], tolerance, name);
  for (size_t n = 0; n < x.size(); ++n) {
    expect_near(gradients.of(x[n]), golden["gradients"][n], tolerance, name + ", gradient " + std::to_string(n));
  }
}

nlohmann::json goldens() {
  std::ifstream file(ATTUNE_SOURCE_DIR "/tests/goldens/sparse_attention_golden.json");
  return nlohmann::json::parse(file);
}

TEST(SparseAttentionGolden, every_pattern_equals_pytorch_under_a_mask_written_out) {
  const nlohmann::json all = goldens()["patterns"];
  ASSERT_EQ(all.size(), patterns().size());
  for (const auto& [name, mask] : patterns()) {
    ASSERT_TRUE(all.contains(name)) << name;
    for (const DType dtype : {DType::float64, DType::float32}) {
      std::vector<Tensor> x;
      for (int n = 0; n < 3; ++n) x.push_back(start_value(n, tokens().rows(), dtype));
      expect_golden(all[name], x, name, [&mask = mask](const std::vector<Tensor>& in) {
        return scaled_dot(in[0], in[1], in[2], tokens(), tokens(), {.mask = mask}).out;
      });
    }
  }
}

TEST(SparseAttentionGolden, longformers_two_sets_of_projections_equal_pytorch) {
  const SparsePattern pattern{SlidingWindow{.window = 4, .dilation = {1, 2}},
                              {.leading = 1, .positions = {{5}, {}, {13, 4}}}};
  const int64_t rows = global_rows(pattern.global, tokens()).queries.rows();
  for (const DType dtype : {DType::float64, DType::float32}) {
    std::vector<Tensor> x;
    for (int n = 0; n < 6; ++n) x.push_back(start_value(n, n == 3 ? rows : tokens().rows(), dtype));
    expect_golden(goldens()["longformer"], x, "longformer", [&](const std::vector<Tensor>& in) {
      return longformer(in[0], in[1], in[2], {in[3], in[4], in[5]}, tokens(), {.mask = {.pattern = pattern}});
    });
  }
}

}  // namespace
}  // namespace attune::attention
