#include "attune/ops/linear.h"

#include "attune/base/profile.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using namespace testing;

Tensor apply(std::vector<Tensor>& x) {
  return linear(x[0], x[1], x.size() > 2 ? x[2] : Tensor());
}

std::vector<Tensor> operands(int64_t rows, int64_t in, int64_t out) {
  return {random_tensor({rows, in}, Rng(1)), random_tensor({out, in}, Rng(2)), random_tensor({out}, Rng(3))};
}

TEST(Linear, multiplies_with_the_transposed_weight_and_adds_the_bias) {
  const Tensor y = linear(Tensor::of<float>({1, 2}, {1, 2}), Tensor::of<float>({3, 2}, {1, 0, 0, 1, 3, 4}),
                          Tensor::of<float>({3}, {10, 20, 30}));
  EXPECT_EQ(y.shape(), Shape({1, 3}));
  EXPECT_EQ(std::vector<float>(y.data<float>().begin(), y.data<float>().end()), (std::vector<float>{11, 22, 41}));
}

TEST(Linear, has_the_gradients_of_its_definition) {
  check_op(apply, operands(5, 3, 4));
  check_op(apply, operands(1, 1, 1));
  check_op(apply, operands(3, 1, 2));
  check_op(apply, operands(1, 5, 3));
  check_op(apply, operands(4, 3, 1));
  check_op(apply, operands(7, 17, 33));
  check_op(apply, {random_tensor({2, 3, 4}, Rng(1)), random_tensor({5, 4}, Rng(2))});
  check_op(apply, {random_tensor({4}, Rng(1)), random_tensor({5, 4}, Rng(2)), random_tensor({5}, Rng(3))});
}

TEST(Linear, agrees_with_float64_on_large_operands_and_any_number_of_threads) {
  check_op(apply, operands(1300, 96, 160), {.gradients = false});
}

TEST(Linear, sums_the_gradients_of_a_weight_used_twice) {
  check_op([](auto& x) { return add(linear(linear(x[0], x[1], x[2]), x[1], x[2]), linear(x[0], x[1])); },
           operands(3, 4, 4));
}

TEST(Linear, takes_a_parameter_as_input_and_weight) {
  check_op([](auto& x) { return linear(x[0], x[0]); }, {random_tensor({3, 4}, Rng(1))});
}

TEST(Linear, needs_no_gradient_of_constants) {
  const Tensor x = random_tensor({3, 4}, Rng(1)), w = random_tensor({2, 4}, Rng(2)), b = random_tensor({2}, Rng(3));
  check_op([&](auto& v) { return linear(v[0], w.to(v[0].dtype()), b.to(v[0].dtype())); }, {x});
  check_op([&](auto& v) { return linear(x.to(v[0].dtype()), v[0], b.to(v[0].dtype())); }, {w});
}

TEST(Linear, of_no_rows_gives_no_rows_and_zero_gradients) {
  const auto results = run(apply, operands(0, 3, 4));
  EXPECT_EQ(results[0].shape(), Shape({0, 4}));
  EXPECT_EQ(results[2].shape(), Shape({4, 3}));
  for (double g : results[2].data<double>()) EXPECT_EQ(g, 0);
  for (double g : results[3].data<double>()) EXPECT_EQ(g, 0);
}

TEST(Linear, gives_a_row_the_same_bits_in_any_batch) {
  for (const DType compute : {DType::float32, DType::bfloat16}) {
    const Tensor x = random_tensor({700, 64}, Rng(1), DType::float32);
    const Tensor w = random_tensor({96, 64}, Rng(2), DType::float32), b = random_tensor({96}, Rng(3), DType::float32);
    const Tensor all = linear(x, w, b, {.compute = compute});
    for (int64_t row : {0, 1, 511, 512, 699}) {
      EXPECT_TRUE(same_bits(linear(x.rows_view(row, 1), w, b, {.compute = compute}), all.rows_view(row, 1))) << row;
    }
  }
}

TEST(Linear, in_bfloat16_stays_near_float32_forward_and_backward) {
  const auto rounded = [](std::vector<Tensor>& x) { return linear(x[0], x[1], x[2], {.compute = DType::bfloat16}); };
  std::vector<Tensor> single;
  for (const Tensor& x : operands(50, 64, 40)) single.push_back(x.to(DType::float32));
  const auto exact = run(apply, single), coarse = run(rounded, single);
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_LT(relative_difference(coarse[i], exact[i]), 0.01) << i;
    EXPECT_EQ(coarse[i].dtype(), DType::float32);
  }
  EXPECT_FALSE(same_bits(coarse[0], exact[0]));
  EXPECT_TRUE(same_bits(coarse[3], exact[3]));  // the bias gradient is never rounded
  const Tensor stored = single[1].to(DType::bfloat16);
  EXPECT_TRUE(same_bits(linear(strided(single[0]), stored, single[2]), coarse[0]));
}

TEST(Linear, shows_in_a_profile_with_its_backward_under_the_name_of_the_op) {
  const auto x = operands(12, 8, 6);
  Profile profile;
  Tape tape;
  tape.watch(x[0]);
  tape.watch(x[1]);
  tape.backward(sum(linear(x[0], x[1], x[2])));
  const ProfileNode total = profile.stop().total;
  ASSERT_EQ(total.children.size(), 3U);  // linear, sum, backward
  const ProfileNode &forward = total.children[0], &backward = total.children[2];
  EXPECT_EQ(forward.name, "linear");
  EXPECT_EQ(forward.flops, 2 * 12 * 8 * 6);
  EXPECT_EQ(backward.name, "backward");
  ASSERT_EQ(backward.children.size(), 2U);
  EXPECT_EQ(backward.children[0].name, "sum");
  const ProfileNode& linear_backward = backward.children[1];
  EXPECT_EQ(linear_backward.name, "linear");
  EXPECT_EQ(linear_backward.calls, 1);
  EXPECT_EQ(linear_backward.flops, 2 * 2 * 12 * 8 * 6);  // dx and dW
  EXPECT_EQ(linear_backward.children.at(0).name, "product");
  EXPECT_EQ(linear_backward.children.at(0).calls, 2);
}

TEST(Linear, says_what_does_not_fit) {
  const Tensor w = Tensor::zeros({64, 10});
  EXPECT_EQ(error_of([&] {
              linear(Tensor::zeros({3, 12}), w);
            }),
            "linear: x has 12 columns, weight [64, 10] expects 10");
  EXPECT_EQ(error_of([&] {
              linear(Tensor::zeros({3, 10}), w, Tensor::zeros({10}));
            }),
            "linear: bias [10] with weight [64, 10], expected [64]");
  EXPECT_EQ(error_of([&] {
              linear(Tensor::zeros({3, 10}, DType::float64), w);
            }),
            "linear: x is float64, weight float32, expected the same type");
}

}  // namespace
}  // namespace attune
