#include "attune/ops/maxout.h"

#include <gtest/gtest.h>

#include "attune/ops/op_checks.h"

namespace attune {
namespace {

TEST(Maxout, takes_the_larger_of_each_pair) {
  const Tensor y = maxout(Tensor::of<double>({2, 4}, {1, 2, -3, -4, 0, 0, 5, NAN}));
  ASSERT_EQ(y.shape(), Shape({2, 2}));
  EXPECT_EQ(y.at(0), 2);
  EXPECT_EQ(y.at(1), -3);
  EXPECT_EQ(y.at(2), 0);
  EXPECT_TRUE(std::isnan(y.at(3)));
}

TEST(Maxout, has_the_gradients_of_finite_differences) {
  for (const Shape& shape : {Shape{3, 8}, Shape{1, 2}, Shape{0, 4}, Shape{2, 0}}) {
    testing::check_op([](std::vector<Tensor>& x) { return maxout(x[0]); }, {random_tensor(shape, Rng(1))});
  }
}

TEST(Maxout, gives_the_gradient_of_equal_ones_to_the_first) {
  const Tensor x = Tensor::of<double>({1, 2}, {3, 3}), seed = Tensor::full({1, 1}, 7, DType::float64);
  Tape tape;
  tape.watch(x);
  const Tensor y = maxout(x);
  const Tensor dx = tape.backward(std::span(&y, 1), std::span(&seed, 1)).of(x);
  EXPECT_EQ(dx.at(0), 7);
  EXPECT_EQ(dx.at(1), 0);
}

TEST(Maxout, says_what_it_expects) {
  EXPECT_EQ(testing::error_of([] {
              maxout(Tensor::zeros({2, 3}));
            }),
            "maxout: x [2, 3], expected [rows, an even number]");
}

}  // namespace
}  // namespace attune
