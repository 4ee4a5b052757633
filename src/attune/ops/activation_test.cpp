#include "attune/ops/activation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "attune/autograd/gradient_check.h"
#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"

namespace attune {
namespace {

constexpr Activation all[] = {Activation::identity, Activation::relu,    Activation::gelu, Activation::gelu_tanh,
                              Activation::silu,     Activation::sigmoid, Activation::tanh};

// The definitions, as in the papers.
double definition(Activation f, double x) {
  const double u = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  switch (f) {
    case Activation::identity:
      return x;
    case Activation::relu:
      return std::max(x, 0.0);
    case Activation::gelu:
      return 0.5 * x * std::erfc(-x / std::numbers::sqrt2);
    case Activation::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(u));
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
  }
  return 0;
}

// Normals, none nearer to relu's kink than 0.1.
Tensor away_from_zero(const Shape& shape, uint64_t seed) {
  Tensor x = random_tensor(shape, Rng(seed));
  for (double& value : x.data<double>()) value += value < 0 ? -0.1 : 0.1;
  return x;
}

Tensor grid(double from, double to, int64_t count, DType dtype) {
  Tensor x = Tensor::empty({count}, DType::float64);
  for (int64_t i = 0; i < count; ++i) {
    x.data<double>()[static_cast<size_t>(i)] =
        from + (to - from) * static_cast<double>(i) / static_cast<double>(count - 1);
  }
  return x.to(dtype);
}

Tensor slopes(Activation f, const Tensor& x) {
  Tape tape;
  tape.watch(x);
  const Tensor y = activate(x, f), seed = Tensor::full(x.shape(), 1.0, x.dtype());
  return tape.backward(std::span(&y, 1), std::span(&seed, 1)).of(x).clone();
}

TEST(Activation, gradients_equal_finite_differences) {
  for (Activation f : all) {
    for (const Shape& shape : {Shape{2, 3}, Shape{1}, Shape{37}, Shape{0, 3}, Shape{}}) {
      const auto worst = gradient_error([&](auto& x) { return activate(x[0], f); }, {away_from_zero(shape, 1)});
      EXPECT_LT(worst.error, 1e-7) << name_of(f) << shape.text() << worst.where;
    }
  }
}

TEST(Activation, float64_equals_the_definitions) {
  const Tensor x = grid(-8, 8, 4001, DType::float64);
  for (Activation f : all) {
    const Tensor y = activate(x, f);
    for (int64_t i = 0; i < x.elements(); ++i)
      ASSERT_NEAR(y.at(i), definition(f, x.at(i)), 3e-15) << name_of(f) << x.at(i);
  }
}

TEST(Activation, float32_is_float64_rounded_over_wide_ranges) {
  for (double reach : {1e-3, 1.0, 12.0, 80.0}) {
    const Tensor x = grid(-reach, reach, 4001, DType::float32), wide = x.to(DType::float64);
    for (Activation f : all) {
      const Tensor y = activate(x, f), exact = activate(wide, f);
      for (int64_t i = 0; i < x.elements(); ++i) {
        // relative, except where float32 itself ends; gelu_tanh multiplies its argument's rounding by up to 30
        const double tolerance = f == Activation::gelu_tanh ? 1e-5 : 1e-6;
        ASSERT_NEAR(y.at(i), exact.at(i), tolerance * std::fabs(exact.at(i)) + 1e-36)
            << name_of(f) << " of " << x.at(i);
      }
      const Tensor slope = slopes(f, x), exact_slope = slopes(f, wide);
      for (int64_t i = 0; i < x.elements(); ++i) {
        ASSERT_NEAR(slope.at(i), exact_slope.at(i), 5e-7) << name_of(f) << "' at " << x.at(i);
      }
    }
  }
}

TEST(Activation, the_float32_normal_distribution_is_accurate_to_2e_7) {
  const Tensor x = grid(-6, 6, 40001, DType::float32), y = gelu(x);
  double worst = 0;
  for (int64_t i = 0; i < x.elements(); ++i) {
    if (x.at(i) != 0)
      worst = std::max(worst, std::fabs(y.at(i) / x.at(i) - 0.5 * std::erfc(-x.at(i) / std::numbers::sqrt2)));
  }
  EXPECT_LT(worst, 2e-7);
}

TEST(Activation, huge_arguments_saturate_and_a_nan_shows) {
  for (float huge : {100.0F, 1e4F, 1e30F}) {
    const Tensor x = Tensor::of<float>({3}, {huge, -huge, std::nanf("")});
    for (Activation f : all) {
      const Tensor y = activate(x, f), slope = slopes(f, x);
      const bool bounded = f == Activation::sigmoid || f == Activation::tanh;
      EXPECT_EQ(y.at(0), bounded ? 1.0 : static_cast<double>(huge)) << name_of(f);
      EXPECT_EQ(slope.at(0), bounded ? 0.0 : 1.0) << name_of(f);
      if (f != Activation::identity) {
        EXPECT_NEAR(y.at(1), f == Activation::tanh ? -1.0 : 0.0, 1e-30) << name_of(f);
        EXPECT_NEAR(slope.at(1), 0.0, 1e-30) << name_of(f);
        EXPECT_TRUE(std::isnan(slope.at(2)) || f == Activation::relu) << name_of(f);
      }
      EXPECT_TRUE(std::isnan(y.at(2))) << name_of(f);
    }
  }
}

TEST(Activation, an_element_has_the_same_bits_wherever_it_stands_and_with_any_number_of_threads) {
  const Tensor x = random_tensor({17011}, Rng(5), DType::float32);
  for (Activation f : all) {
    set_threads(1);
    const Tensor one = activate(x, f), one_slope = slopes(f, x);
    set_threads(2);
    const Tensor two = activate(x, f), two_slope = slopes(f, x);
    set_threads(0);
    const Tensor shifted = activate(x.rows_view(7001, 10010), f);
    for (int64_t i = 0; i < x.elements(); ++i) {
      ASSERT_EQ(one.at(i), two.at(i)) << name_of(f);
      ASSERT_EQ(one_slope.at(i), two_slope.at(i)) << name_of(f);
    }
    for (int64_t i = 7001; i < x.elements(); ++i) ASSERT_EQ(one.at(i), shifted.at(i - 7001)) << name_of(f);
  }
}

TEST(Activation, reads_strided_views_and_adds_the_gradients_of_two_uses) {
  const Tensor view = random_tensor({4, 9}, Rng(6)).columns_view(2, 5), dense = view.clone();
  for (Activation f : all) {
    const Tensor y = activate(view, f), expected = activate(dense, f);
    for (int64_t i = 0; i < y.elements(); ++i) EXPECT_EQ(y.at(i), expected.at(i));
    const auto twice =
        gradient_error([&](auto& x) { return activate(activate(x[0], f), f); }, {away_from_zero({3}, 2)});
    EXPECT_LT(twice.error, 1e-7) << name_of(f) << twice.where;
  }
}

TEST(Activation, names_go_both_ways_and_an_unknown_one_lists_the_known) {
  for (Activation f : all) EXPECT_EQ(activation_of_name(name_of(f)), f);
  try {
    activation_of_name("swish");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "activation: expected identity, relu, gelu, gelu_tanh, silu, sigmoid or tanh, got \"swish\"");
  }
}

TEST(Glu, gradients_equal_finite_differences_for_every_gate) {
  for (Activation f : all) {
    for (const Shape& shape : {Shape{3, 4}, Shape{1, 2}, Shape{2, 38}, Shape{0, 4}, Shape{3, 0}, Shape{6}}) {
      const auto worst = gradient_error([&](auto& x) { return glu(x[0], f); }, {away_from_zero(shape, 3)});
      EXPECT_LT(worst.error, 1e-7) << name_of(f) << shape.text() << worst.where;
    }
  }
}

TEST(Glu, multiplies_the_first_half_by_the_gate_of_the_second) {
  const Tensor wide = random_tensor({50, 80}, Rng(4)), view = wide.columns_view(3, 74);
  const Tensor narrow = view.to(DType::float32);
  for (Activation f : all) {
    const Tensor y = glu(view, f), y32 = glu(narrow, f);
    ASSERT_EQ(y.shape(), (Shape{50, 37}));
    for (int64_t row = 0; row < 50; ++row) {
      for (int64_t j = 0; j < 37; ++j) {
        const double exact = wide.at(row * 80 + 3 + j) * definition(f, wide.at(row * 80 + 40 + j));
        ASSERT_NEAR(y.at(row * 37 + j), exact, 1e-14);
        ASSERT_NEAR(y32.at(row * 37 + j), exact, 1e-6 * std::max(1.0, std::fabs(exact)));
      }
    }
  }
  EXPECT_THROW(glu(Tensor::zeros({2, 3})), Error);
}

}  // namespace
}  // namespace attune
