#include "attune/ops/dropout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "attune/autograd/gradient_check.h"
#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"

namespace attune {
namespace {

TEST(Dropout, gradients_equal_finite_differences) {
  for (const Shape& shape : {Shape{3, 4}, Shape{1}, Shape{41}, Shape{0, 3}}) {
    const auto plain =
        gradient_error([](auto& x) { return dropout(x[0], 0.4, Rng(9)); }, {random_tensor(shape, Rng(1))});
    EXPECT_LT(plain.error, 1e-7) << plain.where;
    for (double rate : {0.0, 0.4}) {
      const auto added = gradient_error([&](auto& x) { return add_dropout(x[0], x[1], rate, Rng(9)); },
                                        {random_tensor(shape, Rng(1)), random_tensor(shape, Rng(2))});
      EXPECT_LT(added.error, 1e-7) << added.where;
    }
  }
}

TEST(Dropout, the_mask_is_the_stated_function_of_generator_and_element) {
  const Rng rng = Rng(3).stream("layer");
  const double rate = 0.3;
  for (int64_t count : {1, 2, 15, 16, 17, 33, 10001}) {
    for (DType dtype : {DType::float32, DType::float64}) {
      const Tensor y = dropout(Tensor::full({count}, 1.0, dtype), rate, rng);
      for (int64_t i = 0; i < count; ++i) {
        const uint64_t bits = rng.bits(static_cast<uint64_t>(i / 2));
        const auto half = static_cast<double>(i % 2 == 0 ? bits & 0xffffffffU : bits >> 32);
        ASSERT_NEAR(y.at(i), half >= std::round(rate * 0x1p32) ? 1 / (1 - rate) : 0.0, 1e-6) << count << ' ' << i;
      }
    }
  }
}

TEST(Dropout, drops_the_wanted_share_and_keeps_the_mean) {
  constexpr int64_t count = 400000;
  for (double rate : {0.1, 0.5, 0.9}) {
    const Tensor y = dropout(Tensor::full({count}, 1.0), rate, Rng(5));
    double zeros = 0, sum = 0;
    for (int64_t i = 0; i < count; ++i) {
      zeros += y.at(i) == 0;
      sum += y.at(i);
    }
    const double deviation = std::sqrt(rate * (1 - rate) / count);
    EXPECT_NEAR(zeros / count, rate, 4 * deviation);
    EXPECT_NEAR(sum / count, 1.0, 4 * deviation / (1 - rate));
  }
}

TEST(Dropout, forward_and_backward_use_one_mask_and_any_number_of_threads_gives_the_same_bits) {
  const Tensor x = random_tensor({100, 301}, Rng(1), DType::float32),
               residual = random_tensor({100, 301}, Rng(2), DType::float32);
  const auto run = [&](int wanted) {
    set_threads(wanted);
    Tape tape;
    tape.watch(x);
    tape.watch(residual);
    const Tensor y = add_dropout(residual, x, 0.25, Rng(7));
    const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&x, 1));  // dy = x
    set_threads(0);
    return std::vector<Tensor>{y, gradients.of(x), gradients.of(residual)};
  };
  const auto one = run(1), two = run(2);
  const Tensor masked = dropout(x, 0.25, Rng(7));
  for (int64_t i = 0; i < x.elements(); ++i) {
    for (size_t k = 0; k < 3; ++k) ASSERT_EQ(one[k].at(i), two[k].at(i));
    ASSERT_EQ(one[1].at(i), masked.at(i));
    ASSERT_EQ(one[2].at(i), x.at(i));
    ASSERT_EQ(one[0].at(i), static_cast<float>(residual.at(i)) + static_cast<float>(masked.at(i)));
  }
}

TEST(Dropout, of_rate_zero_is_the_identity) {
  const Tensor x = random_tensor({7, 9}, Rng(1), DType::float32), zero = Tensor::zeros({7, 9});
  const Tensor y = dropout(x, 0, Rng(1)), added = add_dropout(zero, x, 0, Rng(1));
  EXPECT_EQ(y.storage(), x.storage());
  for (int64_t i = 0; i < x.elements(); ++i) EXPECT_EQ(added.at(i), x.at(i));
}

TEST(Dropout, a_dropped_infinity_or_nan_leaves_nothing) {
  const Tensor y = dropout(Tensor::full({64}, std::numeric_limits<double>::infinity()), 0.5, Rng(1));
  for (int64_t i = 0; i < 64; ++i) EXPECT_TRUE(y.at(i) == 0 || std::isinf(y.at(i)));
}

TEST(Dropout, reads_strided_views_as_their_elements_in_order) {
  const Tensor view = random_tensor({4, 9}, Rng(6)).columns_view(2, 5);
  const Tensor y = dropout(view, 0.5, Rng(2)), expected = dropout(view.clone(), 0.5, Rng(2));
  for (int64_t i = 0; i < y.elements(); ++i) EXPECT_EQ(y.at(i), expected.at(i));
}

TEST(Dropout, refuses_a_rate_of_one_and_unequal_shapes) {
  EXPECT_THROW(dropout(Tensor::zeros({2}), 1.0, Rng(1)), Error);
  EXPECT_THROW(dropout(Tensor::zeros({2}), -0.1, Rng(1)), Error);
  EXPECT_THROW(add_dropout(Tensor::zeros({2}), Tensor::zeros({3}), 0.1, Rng(1)), Error);
}

}  // namespace
}  // namespace attune
