#include "attune/ops/cross_entropy.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "attune/ops/arithmetic.h"
#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using namespace testing;

const std::vector<int32_t> golds{2, 0, 4, 4, 1};
const std::vector<float> weights{1, 0.5f, 0, 2, 1};

std::vector<int32_t> many_targets(size_t count, uint64_t classes) {
  std::vector<int32_t> targets(count);
  for (size_t i = 0; i < count; ++i) targets[i] = static_cast<int32_t>(Rng(9).below(i, classes));
  return targets;
}

// hidden, weight, bias
std::vector<Tensor> operands(int64_t rows, int64_t width, int64_t classes) {
  return {random_tensor({rows, width}, Rng(1)), random_tensor({classes, width}, Rng(2)),
          random_tensor({classes}, Rng(3))};
}

Function fused(std::span<const int32_t> targets, const CrossEntropyOptions& options) {
  return [=](std::vector<Tensor>& x) {
    return linear_cross_entropy(x[0], x[1], x.size() > 2 ? x[2] : Tensor(), targets, options).loss;
  };
}

TEST(CrossEntropy, is_the_smoothed_loss_of_the_definition) {
  const Tensor x = Tensor::of<double>({1, 3}, {1, 2, 4});
  const double lse = std::log(std::exp(1) + std::exp(2) + std::exp(4));
  const std::vector<int32_t> gold{1};
  const CrossEntropy plain = cross_entropy(x, gold), smooth = cross_entropy(x, gold, {.label_smoothing = 0.1});
  EXPECT_NEAR(plain.loss.item(), lse - 2, 1e-14);
  EXPECT_NEAR(plain.nll, lse - 2, 1e-14);
  // targets 0.1 / 3, 0.9 + 0.1 / 3, 0.1 / 3
  const double expected = 0.1 / 3 * (lse - 1) + (0.9 + 0.1 / 3) * (lse - 2) + 0.1 / 3 * (lse - 4);
  EXPECT_NEAR(smooth.loss.item(), expected, 1e-14);
  EXPECT_NEAR(smooth.nll, lse - 2, 1e-14);
}

TEST(CrossEntropy, weighs_its_rows) {
  const Tensor x = random_tensor({2, 4}, Rng(1));
  const std::vector<int32_t> both{1, 3};
  const std::vector<float> factors{0.5f, 3};
  const CrossEntropy all = cross_entropy(x, both, {.label_smoothing = 0.2, .row_weights = factors});
  double loss = 0, nll = 0;
  for (int64_t i = 0; i < 2; ++i) {
    const CrossEntropy one =
        cross_entropy(x.rows_view(i, 1), std::span(both).subspan(static_cast<size_t>(i), 1), {.label_smoothing = 0.2});
    loss += static_cast<double>(factors[static_cast<size_t>(i)]) * one.loss.item();
    nll += static_cast<double>(factors[static_cast<size_t>(i)]) * one.nll;
  }
  EXPECT_NEAR(all.loss.item(), loss, 1e-14);
  EXPECT_NEAR(all.nll, nll, 1e-14);
}

TEST(CrossEntropy, has_the_gradients_of_its_definition) {
  for (const double smoothing : {0.0, 0.1, 1.0}) {
    const CrossEntropyOptions options{.label_smoothing = smoothing, .row_weights = weights};
    check_op([&](auto& x) { return cross_entropy(x[0], golds, options).loss; }, {random_tensor({5, 5}, Rng(1))});
    check_op([&](auto& x) { return scale(cross_entropy(x[0], golds, {.label_smoothing = smoothing}).loss, -3); },
             {random_tensor({5, 37}, Rng(1))});
  }
  const std::vector<int32_t> one{0};
  check_op([&](auto& x) { return cross_entropy(x[0], one).loss; }, {random_tensor({1, 1}, Rng(1))});
}

TEST(CrossEntropy, is_stable_for_logits_of_ten_thousand) {
  for (const double smoothing : {0.0, 0.1}) {
    const CrossEntropyOptions options{.label_smoothing = smoothing};
    Tensor x = Tensor::of<double>({2, 3}, {1e4, -1e4, 9999, -1e4, -1e4, 1e4});
    const std::vector<int32_t> gold{2, 0};
    check_op([&](auto& v) { return cross_entropy(v[0], gold, options).loss; }, {x}, {.gradients = false});
    EXPECT_NEAR(cross_entropy(x, gold).nll, 1 + std::log1p(std::exp(-1)) + 2e4, 1e-6);
  }
}

TEST(CrossEntropy, of_a_row_of_weight_zero_ignores_infinite_logits) {
  const Tensor x = Tensor::of<float>({2, 2}, {INFINITY, NAN, 0, 0});
  const std::vector<int32_t> gold{0, 1};
  const std::vector<float> second{0, 1};
  const auto results = run([&](auto& v) { return cross_entropy(v[0], gold, {.row_weights = second}).loss; }, {x});
  EXPECT_NEAR(results[0].item(), std::log(2), 1e-6);
  EXPECT_EQ(results[1].at(0), 0);
  EXPECT_EQ(results[1].at(1), 0);
}

TEST(CrossEntropy, takes_excluded_classes_of_minus_infinity) {
  const Tensor x = Tensor::of<float>({1, 3}, {0, -INFINITY, 0});
  const std::vector<int32_t> gold{0};
  EXPECT_NEAR(cross_entropy(x, gold).loss.item(), std::log(2), 1e-6);
}

TEST(LinearCrossEntropy, has_the_gradients_of_its_definition_in_any_chunks) {
  for (const int64_t chunk : {1, 2, 5, 512}) {
    for (const double smoothing : {0.0, 0.1}) {
      check_op(fused(golds, {.label_smoothing = smoothing, .chunk_rows = chunk, .row_weights = weights}),
               operands(5, 3, 6));
      check_op(fused(golds, {.label_smoothing = smoothing, .chunk_rows = chunk}),
               {random_tensor({5, 3}, Rng(1)), random_tensor({6, 3}, Rng(2))});
    }
  }
  const std::vector<int32_t> one{0};
  check_op(fused(one, {}), operands(1, 1, 1));
}

TEST(LinearCrossEntropy, equals_cross_entropy_of_the_linear_logits) {
  const auto targets = many_targets(70, 130);
  const CrossEntropyOptions options{.label_smoothing = 0.1, .chunk_rows = 32};
  const auto plain = [&](std::vector<Tensor>& x) {
    return cross_entropy(linear(x[0], x[1], x[2]), targets, options).loss;
  };
  const auto x = operands(70, 20, 130);
  const auto expected = run(plain, x), found = run(fused(targets, options), x);
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_LT(relative_difference(found[i], expected[i]), 1e-12) << i;
}

TEST(LinearCrossEntropy, gives_the_same_bits_for_any_threads_and_nearly_the_same_for_any_chunks) {
  const auto targets = many_targets(1100, 300);
  check_op(fused(targets, {.label_smoothing = 0.1}), operands(1100, 24, 300), {.gradients = false});
  std::vector<Tensor> single;
  for (const Tensor& x : operands(1100, 24, 300)) single.push_back(x.to(DType::float32));
  const auto whole = run(fused(targets, {.chunk_rows = 4096}), single);
  const auto cut = run(fused(targets, {.chunk_rows = 100}), single);
  for (size_t i = 0; i < whole.size(); ++i) EXPECT_LT(relative_difference(cut[i], whole[i]), 1e-5) << i;
  EXPECT_TRUE(same_bits(cut[1], whole[1]));  // a row's own gradient does not know its chunk
}

TEST(LinearCrossEntropy, shares_its_weight_with_another_use) {
  check_op(
      [](auto& x) {
        return add(linear_cross_entropy(linear(x[0], x[1]), x[1], x[2], golds).loss,
                   scale(linear_cross_entropy(x[0], x[1], x[2], golds).loss, 0.5));
      },
      operands(5, 6, 6));
}

TEST(LinearCrossEntropy, needs_no_gradient_of_constants) {
  const auto all = operands(5, 3, 6);
  for (size_t wanted = 0; wanted < 3; ++wanted) {
    check_op(
        [&](auto& v) {
          std::vector<Tensor> x;
          for (size_t i = 0; i < 3; ++i) x.push_back(i == wanted ? v[0] : all[i].to(v[0].dtype()));
          return linear_cross_entropy(x[0], x[1], x[2], golds).loss;
        },
        {all[wanted]});
  }
}

TEST(LinearCrossEntropy, in_bfloat16_stays_near_float32) {
  const auto targets = many_targets(90, 200);
  std::vector<Tensor> single;
  for (const Tensor& x : operands(90, 32, 200)) single.push_back(scale(x, 0.3).to(DType::float32));
  const auto exact = run(fused(targets, {.chunk_rows = 40}), single);
  const auto coarse = run(fused(targets, {.chunk_rows = 40, .compute = DType::bfloat16}), single);
  for (size_t i = 0; i < exact.size(); ++i) EXPECT_LT(relative_difference(coarse[i], exact[i]), 0.02) << i;
  EXPECT_FALSE(same_bits(coarse[0], exact[0]));
}

TEST(LinearCrossEntropy, of_no_rows_is_zero_with_zero_gradients) {
  const auto results = run(fused({}, {}), operands(0, 3, 6));
  EXPECT_EQ(results[0].item(), 0);
  EXPECT_EQ(results[1].shape(), Shape({0, 3}));
  for (double g : results[2].data<double>()) EXPECT_EQ(g, 0);
  for (double g : results[3].data<double>()) EXPECT_EQ(g, 0);
}

TEST(LinearCrossEntropy, without_a_tape_needs_memory_for_one_chunk_of_logits) {
  const auto targets = many_targets(1000, 500);
  std::vector<Tensor> x;
  for (const Tensor& operand : operands(1000, 4, 500)) x.push_back(operand.to(DType::float32));
  reset_peak_memory();
  const int64_t before = memory_use().in_use;
  linear_cross_entropy(x[0], x[1], x[2], targets, {.chunk_rows = 50});
  EXPECT_LT(memory_use().peak - before, 50 * 500 * 4 * 2);
}

TEST(TokenLogProbabilities, are_minus_the_losses_of_the_rows) {
  const auto x = operands(5, 3, 6);
  const auto scores = token_log_probabilities(x[0], x[1], x[2], golds);
  ASSERT_EQ(scores.size(), 5u);
  for (size_t i = 0; i < 5; ++i) {
    const auto row = linear_cross_entropy(x[0].rows_view(static_cast<int64_t>(i), 1), x[1], x[2],
                                          std::span(golds).subspan(i, 1), {.label_smoothing = 0.1});
    EXPECT_NEAR(static_cast<double>(scores[i]), -row.nll, 1e-6);
  }
}

TEST(CrossEntropy, says_what_does_not_fit) {
  const Tensor x = Tensor::zeros({2, 3});
  EXPECT_EQ(error_of([&] { cross_entropy(x, std::vector<int32_t>{0}); }), "cross_entropy: 1 targets for 2 rows");
  EXPECT_EQ(error_of([&] {
              cross_entropy(x, std::vector<int32_t>{0, 3});
            }),
            "cross_entropy: target 3 of row 1 is outside the 3 classes");
  EXPECT_EQ(error_of([&] {
              linear_cross_entropy(x, Tensor::zeros({5, 4}), {}, std::vector<int32_t>{0, 3});
            }),
            "linear_cross_entropy: hidden [2, 3] and weight [5, 4], expected [rows, d] and [classes, d]");
}

TEST(CrossEntropy, a_nan_logit_shows_wherever_it_stands) {
  const std::vector<int32_t> gold{0};
  for (int64_t classes : {1, 16, 40, 300}) {
    for (int64_t at = 0; at < classes; at += classes < 41 ? 1 : 37) {
      for (double smoothing : {0.0, 0.1}) {
        for (DType dtype : {DType::float32, DType::float64}) {
          Tensor x = random_tensor({1, classes}, Rng(4), DType::float64);
          x.data<double>()[static_cast<size_t>(at)] = NAN;
          const CrossEntropy result = cross_entropy(x.to(dtype), gold, {.label_smoothing = smoothing});
          EXPECT_TRUE(std::isnan(result.loss.item())) << classes << " classes, NaN at " << at;
          EXPECT_TRUE(std::isnan(result.nll)) << classes << " classes, NaN at " << at;
        }
      }
    }
  }
}

TEST(CrossEntropy, an_excluded_class_is_no_nan) {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor x = Tensor::of<double>({1, 3}, {1, -inf, 4});
  const std::vector<int32_t> gold{0};
  EXPECT_NEAR(cross_entropy(x, gold).nll, std::log(std::exp(1) + std::exp(4)) - 1, 1e-14);
}

}  // namespace
}  // namespace attune
