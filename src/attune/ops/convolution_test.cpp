#include "attune/ops/convolution.h"

#include "attune/ops/arithmetic.h"
#include "attune/ops/linear.h"
#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using namespace testing;

struct Case {
  std::vector<int> lengths;
  int64_t taps, in, out;
};

// Lengths 0 and 1, shorter than the kernel, as long, longer; kernels of one tap, even and odd.
std::vector<Case> cases() {
  return {{{2, 0, 5, 1, 3}, 3, 2, 3}, {{4, 1}, 2, 3, 2},    {{1, 2, 3, 6}, 5, 2, 2}, {{3}, 7, 1, 2},
          {{2, 3}, 1, 3, 2},          {{0, 0, 2}, 4, 2, 1}, {{1, 1, 1}, 3, 2, 2},    {{9}, 3, 1, 1}};
}

std::vector<Tensor> operands(const Case& c) {
  const Segments segments = Segments::of_lengths(c.lengths);
  return {random_tensor({segments.rows(), c.in}, Rng(1)), random_tensor({c.out, c.taps * c.in}, Rng(2)),
          random_tensor({c.out}, Rng(3))};
}

Function function_of(const Case& c, bool causal) {
  return [segments = Segments::of_lengths(c.lengths), causal](std::vector<Tensor>& x) {
    return convolution(x[0], segments, x[1], x.size() > 2 ? x[2] : Tensor(), {.causal = causal});
  };
}

TEST(Convolution, sees_what_the_kernel_covers_and_zeros_outside_of_the_sentence) {
  const Segments segments = Segments::of_lengths(std::vector<int>{3, 2});
  const Tensor x = Tensor::of<float>({5, 1}, {1, 2, 3, 10, 20}), w = Tensor::of<float>({1, 3}, {100, 10, 1});
  const auto values = [](const Tensor& y) {
    return std::vector<float>(y.data<float>().begin(), y.data<float>().end());
  };
  EXPECT_EQ(values(convolution(x, segments, w)), (std::vector<float>{12, 123, 230, 120, 1200}));
  EXPECT_EQ(values(convolution(x, segments, w, {}, {.causal = true})), (std::vector<float>{1, 12, 123, 10, 120}));
  // An even kernel that is centred sees one row further ahead.
  EXPECT_EQ(values(convolution(x, segments, Tensor::of<float>({1, 2}, {10, 1}))),
            (std::vector<float>{12, 23, 30, 120, 200}));
}

TEST(Convolution, equals_its_definition_in_float64) {
  for (const Case& c : cases()) {
    const auto x = operands(c);
    const Segments segments = Segments::of_lengths(c.lengths);
    for (const bool causal : {false, true}) {
      const Tensor y = convolution(x[0], segments, x[1], x[2], {.causal = causal});
      const Tensor expected = convolution_definition(x[0], segments, x[1], x[2], {.causal = causal});
      EXPECT_LT(relative_difference(y, expected), 1e-14) << c.taps << ' ' << causal;
    }
  }
}

TEST(Convolution, has_right_gradients) {
  for (const Case& c : cases()) {
    for (const bool causal : {false, true}) {
      check_op(function_of(c, causal), operands(c));
    }
  }
  const auto x = operands(cases()[0]);
  check_op(function_of(cases()[0], false), {x[0], x[1]});  // no bias
}

TEST(Convolution, agrees_with_float64_over_many_blocks_of_rows) {
  std::vector<int> lengths;
  for (int i = 0; i < 160; ++i) lengths.push_back(i % 29);  // 2,145 rows: blocks end inside of sentences
  lengths.push_back(700);
  const Case c{lengths, 3, 24, 40};
  check_op(function_of(c, false), operands(c), {.gradients = false});
  check_op(function_of(c, true), operands(c), {.gradients = false});
}

TEST(Convolution, of_no_rows_gives_no_rows_and_zero_gradients) {
  const Case c{{0, 0}, 3, 2, 4};
  const auto results = run(function_of(c, false), operands(c));
  EXPECT_EQ(results[0].shape(), Shape({0, 4}));
  for (double g : results[2].data<double>()) EXPECT_EQ(g, 0);
  for (double g : results[3].data<double>()) EXPECT_EQ(g, 0);
}

TEST(Convolution, needs_no_gradient_of_constants_and_sums_those_of_a_weight_used_twice) {
  const Case c{{2, 3}, 3, 2, 2};
  const Segments segments = Segments::of_lengths(c.lengths);
  const auto x = operands(c);
  check_op([&](auto& v) { return convolution(v[0], segments, x[1].to(v[0].dtype())); }, {x[0]});
  check_op([&](auto& v) { return convolution(x[0].to(v[0].dtype()), segments, v[0]); }, {x[1]});
  check_op(
      [&](auto& v) { return add(v[0], convolution(convolution(v[0], segments, v[1], v[2]), segments, v[1], v[2])); },
      x);
}

TEST(Convolution, gives_a_sentence_the_same_bits_in_any_batch_and_as_steps_of_linear) {
  const std::vector<int> lengths{400, 3, 250, 1, 17};
  const Segments segments = Segments::of_lengths(lengths);
  const Tensor x = random_tensor({segments.rows(), 64}, Rng(1), DType::float32);
  const Tensor w = random_tensor({96, 3 * 64}, Rng(2), DType::float32), b = random_tensor({96}, Rng(3), DType::float32);
  for (const DType compute : {DType::float32, DType::bfloat16}) {
    for (const bool causal : {false, true}) {
      const Tensor all = convolution(x, segments, w, b, {.causal = causal, .compute = compute});
      for (int s = 0; s < segments.count(); ++s) {
        const Segments alone = Segments::of_lengths(std::vector<int>{lengths[static_cast<size_t>(s)]});
        const Tensor part = x.rows_view(segments.begin(s), segments.length(s));
        EXPECT_TRUE(same_bits(convolution(part, alone, w, b, {.causal = causal, .compute = compute}),
                              all.rows_view(segments.begin(s), segments.length(s))));
      }
    }
    const Tensor window = x.rows_view(510, 3).compact().viewed({1, 192});
    EXPECT_TRUE(same_bits(linear(window, w, b, {.compute = compute}),
                          convolution(x, segments, w, b, {.causal = true, .compute = compute}).rows_view(512, 1)));
  }
}

TEST(Convolution, in_bfloat16_stays_near_float32_forward_and_backward) {
  const Case c{{20, 1, 30}, 3, 64, 40};
  const auto rounded = [segments = Segments::of_lengths(c.lengths)](std::vector<Tensor>& x) {
    return convolution(x[0], segments, x[1], x[2], {.compute = DType::bfloat16});
  };
  std::vector<Tensor> single;
  for (const Tensor& x : operands(c)) single.push_back(x.to(DType::float32));
  const auto exact = run(function_of(c, false), single), coarse = run(rounded, single);
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_LT(relative_difference(coarse[i], exact[i]), 0.01) << i;
    EXPECT_EQ(coarse[i].dtype(), DType::float32);
  }
  EXPECT_FALSE(same_bits(coarse[0], exact[0]));
  EXPECT_TRUE(same_bits(coarse[3], exact[3]));  // the bias gradient is never rounded
}

TEST(Convolution, says_what_does_not_fit) {
  const Segments segments = Segments::of_lengths(std::vector<int>{3});
  const Tensor x = Tensor::zeros({3, 4});
  EXPECT_EQ(error_of([&] {
              convolution(x, segments, Tensor::zeros({6, 10}));
            }),
            "convolution: weight [6, 10] must be [out, k * in] with the 4 columns of x as in");
  EXPECT_EQ(error_of([&] {
              convolution(x, Segments::of_lengths(std::vector<int>{2}), Tensor::zeros({6, 12}));
            }),
            "convolution: x has 3 rows, expected packed segments of as many, got 2");
  EXPECT_EQ(error_of([&] {
              convolution(x, segments, Tensor::zeros({6, 12}), Tensor::zeros({12}));
            }),
            "convolution: bias [12] with weight [6, 12], expected [6]");
}

}  // namespace
}  // namespace attune
