#include "attune/ops/rotary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "attune/ops/op_checks.h"

namespace attune {
namespace {

constexpr RotaryPairs both[] = {RotaryPairs::interleaved, RotaryPairs::halves};

std::vector<int32_t> counted(int64_t rows, int32_t first = 0) {
  std::vector<int32_t> positions(static_cast<size_t>(rows));
  std::iota(positions.begin(), positions.end(), first);
  return positions;
}

TEST(Rotary, gradients_single_precision_threads_and_strides) {
  for (const RotaryPairs pairs : both) {
    for (const Shape& shape : {Shape{5, 2, 6}, Shape{3, 1, 2}, Shape{0, 2, 4}}) {
      const auto at = counted(shape[0], 3);
      testing::check_op([&](auto& x) { return rotary(x[0], at, pairs); }, {random_tensor(shape, Rng(1))});
    }
    for (const int64_t depth : {10, 32, 34, 64, 96}) {  // around whole vectors
      const auto at = counted(70);
      testing::check_op([&](auto& x) { return rotary(x[0], at, pairs); }, {random_tensor({70, 3, depth}, Rng(2))},
                        {.gradients = false});
    }
  }
}

// Su 2021, equation 34, number by number: pair i of token p is turned by p 10000^(-2i/d).
TEST(Rotary, turns_each_pair_by_its_angle) {
  const Tensor x = random_tensor({1, 1, 6}, Rng(3));
  for (const RotaryPairs pairs : both) {
    const Tensor y = rotary(x, std::vector<int32_t>{7}, pairs);
    for (int i = 0; i < 3; ++i) {
      const int a = pairs == RotaryPairs::halves ? i : 2 * i, b = pairs == RotaryPairs::halves ? i + 3 : 2 * i + 1;
      const double angle = 7 / std::pow(10000.0, i / 3.0);
      EXPECT_NEAR(y.at(a), x.at(a) * std::cos(angle) - x.at(b) * std::sin(angle), 1e-14);
      EXPECT_NEAR(y.at(b), x.at(b) * std::cos(angle) + x.at(a) * std::sin(angle), 1e-14);
    }
  }
}

TEST(Rotary, leaves_position_0_as_it_is_and_products_depend_on_the_distance_alone) {
  const Tensor q = random_tensor({1, 1, 8}, Rng(4)), k = random_tensor({1, 1, 8}, Rng(5));
  for (const RotaryPairs pairs : both) {
    const auto at = [&](const Tensor& x, int32_t p) { return rotary(x, std::vector<int32_t>{p}, pairs); };
    EXPECT_TRUE(testing::same_bits(at(q, 0), q));
    const auto product = [&](int32_t i, int32_t j) {
      const Tensor a = at(q, i), b = at(k, j);
      double sum = 0;
      for (int c = 0; c < 8; ++c) sum += a.at(c) * b.at(c);
      return sum;
    };
    EXPECT_NEAR(product(5, 2), product(45, 42), 1e-12);
    EXPECT_GT(std::fabs(product(5, 2) - product(2, 5)), 1e-3) << "it says which of two comes first";
  }
}

// The angle is computed in double: in float32 that of position 20,000 would be wrong in the third digit.
TEST(Rotary, is_exact_at_far_positions_and_a_row_has_the_same_bits_in_any_batch) {
  const Tensor x = random_tensor({4, 2, 34}, Rng(6), DType::float32);
  const std::vector<int32_t> at{3, 20000, 0, 777};
  for (const RotaryPairs pairs : both) {
    const Tensor y = rotary(x, at, pairs);
    EXPECT_LT(testing::relative_difference(y, rotary(x.to(DType::float64), at, pairs)), 1e-6);
    for (int64_t row = 0; row < 4; ++row) {
      const Tensor alone = rotary(x.rows_view(row, 1), std::vector<int32_t>{at[static_cast<size_t>(row)]}, pairs);
      EXPECT_TRUE(testing::same_bits(alone, y.rows_view(row, 1)));
    }
  }
}

TEST(Rotary, says_what_does_not_fit) {
  const auto message = [](const Shape& shape, std::vector<int32_t> at) {
    return testing::error_of([&] { rotary(Tensor::zeros(shape), at, RotaryPairs::halves); });
  };
  EXPECT_NE(message({2, 1, 3}, {0, 1}).find("even depth"), std::string::npos);
  EXPECT_NE(message({2, 1, 4}, {0}).find("1 positions for 2 rows"), std::string::npos);
  EXPECT_NE(message({1, 1, 4}, {-1}).find("negative"), std::string::npos);
}

}  // namespace
}  // namespace attune
