#include "attune/ops/softmax.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "attune/autograd/gradient_check.h"
#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"

namespace attune {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor scaled(Tensor x, double factor) {
  for (double& value : x.data<double>()) value *= factor;
  return x;
}

TEST(Softmax, gradients_equal_finite_differences) {
  for (const Shape& shape :
       {Shape{3, 4}, Shape{2, 1}, Shape{1, 19}, Shape{5}, Shape{2, 3, 2}, Shape{0, 4}, Shape{3, 0}}) {
    const auto soft = gradient_error([](auto& x) { return softmax(x[0]); }, {random_tensor(shape, Rng(1))});
    EXPECT_LT(soft.error, 1e-7) << shape.text() << soft.where;
    const auto log = gradient_error([](auto& x) { return log_softmax(x[0]); }, {random_tensor(shape, Rng(1))});
    EXPECT_LT(log.error, 1e-7) << shape.text() << log.where;
  }
}

TEST(Softmax, is_the_textbook_formula_for_every_row_length) {
  for (int64_t columns = 1; columns < 40; ++columns) {
    const Tensor x = scaled(random_tensor({2, columns}, Rng(3)), 5);
    const Tensor y = softmax(x), log = log_softmax(x);
    for (int64_t row = 0; row < 2; ++row) {
      double total = 0;
      for (int64_t j = 0; j < columns; ++j) total += std::exp(x.at(row * columns + j));
      for (int64_t j = row * columns; j < (row + 1) * columns; ++j) {
        ASSERT_NEAR(y.at(j), std::exp(x.at(j)) / total, 1e-14);
        ASSERT_NEAR(log.at(j), x.at(j) - std::log(total), 1e-13);
      }
    }
  }
}

TEST(Softmax, float32_is_float64_rounded_over_wide_ranges) {
  for (double spread : {1e-3, 1.0, 10.0, 1e4}) {
    const Tensor x = scaled(random_tensor({20, 333}, Rng(4)), spread).to(DType::float32);
    const Tensor wide = x.to(DType::float64);
    const Tensor y = softmax(x), exact = softmax(wide), log = log_softmax(x), exact_log = log_softmax(wide);
    for (int64_t i = 0; i < x.elements(); ++i) {
      // exp turns the rounding of x - max into a relative error that grows with it
      const double depth = std::max(1.0, std::fabs(exact_log.at(i)) / 8);
      ASSERT_NEAR(y.at(i), exact.at(i), 1e-6 * depth * exact.at(i) + 1e-37) << spread;
      ASSERT_NEAR(log.at(i), exact_log.at(i), 1e-6 * std::max(1.0, std::fabs(exact_log.at(i)))) << spread;
    }
  }
}

TEST(Softmax, of_scores_of_ten_thousand_is_finite) {
  const Tensor x = Tensor::of<float>({1, 3}, {1e4F, -1e4F, 1e4F});
  const Tensor y = softmax(x);
  EXPECT_EQ(y.at(0), 0.5);
  EXPECT_EQ(y.at(1), 0.0);
  EXPECT_NEAR(log_softmax(x).at(1), -2e4 - std::log(2.0), 1e-2);
}

TEST(Softmax, a_row_of_minus_infinity_gives_zeros_and_no_gradient) {
  Tensor x = Tensor::full({2, 20}, -infinity, DType::float32);
  x.data<float>()[25] = 3;  // one finite element in the second row
  Tape tape;
  tape.watch(x);
  const Tensor y = softmax(x), log = log_softmax(x);
  EXPECT_EQ(y.at(0), 0.0);
  EXPECT_EQ(y.at(25), 1.0);
  EXPECT_EQ(y.at(26), 0.0);
  EXPECT_EQ(log.at(0), -infinity);
  EXPECT_EQ(log.at(25), 0.0);
  const Tensor seed = Tensor::full(x.shape(), 2.0);
  for (const Tensor& output : {y, log}) {
    const Tensor gradient = tape.backward(std::span(&output, 1), std::span(&seed, 1)).of(x);
    for (int64_t j = 0; j < 20; ++j) EXPECT_EQ(gradient.at(j), 0.0);
  }
}

TEST(Softmax, a_nan_or_plus_infinity_makes_its_row_nan_and_no_other) {
  for (double bad : {std::nan(""), infinity}) {
    Tensor x = Tensor::full({2, 37}, 0.5);
    x.data<float>()[36] = static_cast<float>(bad);
    for (const Tensor& y : {softmax(x), log_softmax(x)}) {
      for (int64_t j = 0; j < 37; ++j) EXPECT_TRUE(std::isnan(y.at(j)));
      EXPECT_FALSE(std::isnan(y.at(37)));
    }
  }
  Tensor masked = Tensor::full({1, 3}, -infinity);
  masked.data<float>()[1] = std::nanf("");
  EXPECT_TRUE(std::isnan(softmax(masked).at(0)));
}

TEST(Softmax, a_row_has_the_same_bits_alone_and_with_any_number_of_threads) {
  const Tensor x = random_tensor({301, 77}, Rng(5), DType::float32);
  set_threads(1);
  const Tensor one = softmax(x), one_log = log_softmax(x);
  set_threads(2);
  const Tensor two = softmax(x), two_log = log_softmax(x);
  set_threads(0);
  for (int64_t i = 0; i < x.elements(); ++i) {
    ASSERT_EQ(one.at(i), two.at(i));
    ASSERT_EQ(one_log.at(i), two_log.at(i));
  }
  const Tensor alone = softmax(x.rows_view(100, 1));
  for (int64_t j = 0; j < 77; ++j) ASSERT_EQ(alone.at(j), one.at(7700 + j));
}

TEST(Softmax, reads_strided_views) {
  const Tensor x = random_tensor({4, 9}, Rng(6)), view = x.columns_view(2, 5);
  const Tensor y = softmax(view), expected = softmax(view.clone());
  for (int64_t i = 0; i < y.elements(); ++i) EXPECT_EQ(y.at(i), expected.at(i));
}

TEST(Softmax, used_twice_adds_both_gradients) {
  const Tensor x = random_tensor({2, 3}, Rng(7));
  Tape tape;
  tape.watch(x);
  const Tensor outputs[] = {softmax(x), log_softmax(x)};
  const Tensor seeds[] = {random_tensor({2, 3}, Rng(8)), random_tensor({2, 3}, Rng(9))};
  const auto of = [&](size_t first, size_t count) {
    return tape.backward(std::span(outputs).subspan(first, count), std::span(seeds).subspan(first, count))
        .of(x)
        .clone();
  };
  const Tensor both = of(0, 2), a = of(0, 1), b = of(1, 1);
  for (int64_t i = 0; i < 6; ++i) EXPECT_NEAR(both.at(i), a.at(i) + b.at(i), 1e-15);
}

TEST(Softmax, records_nothing_for_a_constant) {
  Tape tape;
  softmax(random_tensor({2, 3}, Rng(7)));
  EXPECT_EQ(tape.nodes(), 0u);
}

}  // namespace
}  // namespace attune
