// Longformer's global tokens; and every sparse pattern and Longformer's two sets of projections against PyTorch, which
// has the masks written out pair by pair (tests/goldens/make_sparse_attention_golden.py): outputs and all gradients.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "attune/attention/longformer.h"
#include "attune/attention/scaled_dot_checks_test.h"
#include "attune/base/error_of_test.h"

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

// ---- Global tokens with projections of their own --------------------------------------------------------------------

struct Projected {
  std::vector<Tensor> x;  // q, k, v, global q, k, v
  Segments tokens;
  SparsePattern pattern;
};

Projected projected(DType dtype) {
  Projected p;
  p.tokens = Segments::of_lengths(std::vector<int>{9, 1, 0, 12});
  p.pattern = {SlidingWindow{.window = 4, .dilation = {1, 2}}, {.leading = 1, .positions = {{7}, {}, {}, {5, 0, 11}}}};
  const auto rows = static_cast<int64_t>(global_rows(p.pattern.global, p.tokens).rows.size());
  for (uint64_t n = 0; n < 6; ++n) {
    p.x.push_back(random_tensor({n == 3 ? rows : p.tokens.rows(), 2, 3}, Rng(n), DType::float64).to(dtype));
  }
  return p;
}

Tensor longformer_of(const Projected& p, const std::vector<Tensor>& x, const Options& options = {}) {
  Options with = options;
  with.mask.pattern = p.pattern;
  return longformer(x[0], x[1], x[2], {x[3], x[4], x[5]}, p.tokens, with);
}

TEST(Longformer, has_the_gradients_that_finite_differences_show_for_all_six_projections) {
  set_threads(1);
  const Projected p = projected(DType::float64);
  EXPECT_EQ(global_rows(p.pattern.global, p.tokens).rows, (std::vector<int32_t>{0, 7, 9, 10, 15, 21}));
  const auto worst = gradient_error([&](auto& x) { return longformer_of(p, x); }, p.x);
  EXPECT_LT(worst.error, 1e-8) << worst.where;
  set_threads(0);
}

TEST(Longformer, equals_the_pattern_alone_where_the_global_projections_are_copies) {
  for (const DType dtype : {DType::float64, DType::float32}) {
    Projected p = projected(dtype);
    const auto rows = global_rows(p.pattern.global, p.tokens).rows;
    for (size_t n = 0; n < rows.size(); ++n) {
      p.x[3].rows_view(static_cast<int64_t>(n), 1).copy_from(p.x[0].rows_view(rows[n], 1));
    }
    p.x[4] = p.x[1];
    p.x[5] = p.x[2];
    const Tensor alone = scaled_dot(p.x[0], p.x[1], p.x[2], p.tokens, p.tokens, {.mask = {.pattern = p.pattern}}).out;
    EXPECT_LE(testing::largest_difference(longformer_of(p, p.x), alone), dtype == DType::float64 ? 1e-15 : 1e-6);
  }
}

TEST(Longformer, is_the_same_in_float32_and_refuses_what_it_cannot_do) {
  const Projected wide = projected(DType::float64), narrow = projected(DType::float32);
  EXPECT_LE(testing::largest_difference(longformer_of(narrow, narrow.x), longformer_of(wide, wide.x)), 1e-6);
  const auto error = [&](Options options, const SparsePattern& pattern) {
    Projected p = narrow;
    p.pattern = pattern;
    return attune::testing::error_of([&] { longformer_of(p, p.x, options); });
  };
  EXPECT_NE(error({.mask = {.causal = true}}, narrow.pattern).find("no causal form"), std::string::npos);
  EXPECT_NE(error({.bias = Slopes{Tensor::zeros({2})}}, narrow.pattern).find("no bias"), std::string::npos);
  EXPECT_NE(error({}, {BigBird{}}).find("no projections of their own"), std::string::npos);
  EXPECT_NE(error({}, {SlidingWindow{}, {.leading = 5}}).find("for 11 global tokens"), std::string::npos);
}

}  // namespace
}  // namespace attune::attention
