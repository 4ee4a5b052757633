#include "attune/ops/matmul.h"

#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using namespace testing;

TEST(Matmul, has_the_gradients_of_its_definition_in_every_orientation) {
  for (const bool ta : {false, true}) {
    for (const bool tb : {false, true}) {
      for (const auto& [m, k, n] : {std::array<int64_t, 3>{3, 4, 5}, {1, 1, 1}, {1, 6, 1}, {4, 1, 3}, {17, 9, 2}}) {
        const Tensor a = random_tensor(ta ? Shape({k, m}) : Shape({m, k}), Rng(1));
        const Tensor b = random_tensor(tb ? Shape({n, k}) : Shape({k, n}), Rng(2));
        check_op([=](auto& x) { return matmul(x[0], x[1], {.transpose_a = ta, .transpose_b = tb}); }, {a, b});
      }
    }
  }
}

TEST(Matmul, transposes_each_operand_as_asked) {
  const Tensor a = Tensor::of<float>({1, 2}, {1, 2}), b = Tensor::of<float>({2, 1}, {3, 4});
  EXPECT_EQ(matmul(a, b).item(), 11);
  EXPECT_EQ(matmul(a, a, {.transpose_b = true}).item(), 5);
  EXPECT_EQ(matmul(b, b, {.transpose_a = true}).item(), 25);
  const Tensor outer = matmul(a, b, {.transpose_a = true, .transpose_b = true});
  EXPECT_EQ(outer.shape(), Shape({2, 2}));
  EXPECT_EQ(outer.at(1), 4);
  EXPECT_EQ(outer.at(2), 6);
}

TEST(Matmul, of_a_tensor_with_itself_sums_both_gradients) {
  check_op([](auto& x) { return matmul(x[0], x[0], {.transpose_b = true}); }, {random_tensor({3, 4}, Rng(1))});
  check_op([](auto& x) { return matmul(x[0], x[0]); }, {random_tensor({3, 3}, Rng(1))});
}

TEST(Matmul, of_empty_operands_is_empty_or_zero) {
  EXPECT_EQ(matmul(Tensor::zeros({0, 3}), Tensor::zeros({3, 2})).shape(), Shape({0, 2}));
  const Tensor zero = matmul(Tensor::zeros({2, 0}), Tensor::zeros({0, 2}));
  for (float value : zero.data<float>()) EXPECT_EQ(value, 0);
}

TEST(Matmul, says_what_does_not_fit) {
  EXPECT_EQ(error_of([] {
              matmul(Tensor::zeros({2, 3}), Tensor::zeros({2, 3}));
            }),
            "matmul: a [2, 3] has 3 columns, b [2, 3] has 2 rows");
}

}  // namespace
}  // namespace attune
