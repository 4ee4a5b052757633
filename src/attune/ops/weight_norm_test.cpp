#include "attune/ops/weight_norm.h"

#include "attune/ops/arithmetic.h"
#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using namespace testing;

Tensor apply(std::vector<Tensor>& x) {
  return weight_norm(x[0], x[1]);
}

std::vector<Tensor> operands(int64_t rows, int64_t columns) {
  return {random_tensor({rows, columns}, Rng(1)), random_tensor({rows}, Rng(2))};
}

TEST(WeightNorm, gives_every_row_the_length_that_is_asked_for) {
  const Tensor w = weight_norm(Tensor::of<float>({2, 2}, {3, 4, 0, -2}), Tensor::of<float>({2}, {10, 3}));
  EXPECT_NEAR(w.at(0), 6, 1e-6);
  EXPECT_NEAR(w.at(1), 8, 1e-6);
  EXPECT_EQ(w.at(2), 0);
  EXPECT_NEAR(w.at(3), -3, 1e-6);
}

TEST(WeightNorm, does_not_see_the_length_of_the_direction) {
  const auto x = operands(5, 37);
  EXPECT_LT(relative_difference(weight_norm(scale(x[0], 7), x[1]), weight_norm(x[0], x[1])), 1e-14);
}

TEST(WeightNorm, has_right_gradients) {
  check_op(apply, operands(3, 4));
  check_op(apply, operands(1, 1));
  check_op(apply, operands(4, 19));
  check_op(apply, operands(2, 67));
  check_op([](auto& x) { return add(weight_norm(x[0], x[1]), multiply(x[0], weight_norm(x[0], x[1]))); },
           operands(3, 5));  // used twice: gradients are added
  check_op(apply, operands(70, 900), {.gradients = false});
}

TEST(WeightNorm, of_a_row_of_zeros_is_zero_and_finite_backwards) {
  const auto results = run(apply, {Tensor::zeros({2, 3}), Tensor::full({2}, 1.5)});
  for (const Tensor& result : results) {
    for (float value : result.data<float>()) EXPECT_EQ(value, 0);
  }
}

TEST(WeightNorm, says_what_does_not_fit) {
  EXPECT_EQ(error_of([] {
              weight_norm(Tensor::zeros({2, 3}), Tensor::zeros({3}));
            }),
            "weight_norm: v [2, 3] and g [3] must be [rows, columns] and [rows] of the same type");
}

}  // namespace
}  // namespace attune
