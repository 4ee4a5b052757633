#include "attune/ops/binary_cross_entropy.h"

#include "attune/ops/arithmetic.h"
#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using namespace testing;

TEST(BinaryCrossEntropy, is_minus_the_log_probability_of_the_targets) {
  const double p = 1 / (1 + std::exp(-0.3)), q = 1 / (1 + std::exp(1.2));
  const double expected = -std::log(p) - 0.75 * std::log(1 - q) - 0.25 * std::log(q);
  EXPECT_NEAR(
      binary_cross_entropy_with_logits(Tensor::of<double>({2}, {0.3, -1.2}), Tensor::of<double>({2}, {1, 0.25})).item(),
      expected, 1e-14);
}

TEST(BinaryCrossEntropy, has_the_gradient_of_its_definition) {
  for (const Shape& shape : {Shape({}), Shape({1}), Shape({3, 4}), Shape({9000})}) {
    Tensor targets = Tensor::zeros(shape, DType::float64);
    for (size_t i = 0; i < targets.data<double>().size(); ++i) targets.data<double>()[i] = Rng(4).uniform(i);
    check_op([&](auto& x) { return binary_cross_entropy_with_logits(x[0], targets.to(x[0].dtype())); },
             {random_tensor(shape, Rng(1))}, {.gradients = shape.elements() < 100});
  }
}

TEST(BinaryCrossEntropy, is_finite_for_extreme_logits) {
  const Tensor x = Tensor::of<float>({4}, {1e4f, -1e4f, 1e4f, -1e4f}), y = Tensor::of<float>({4}, {1, 0, 0, 1});
  const auto results = run([&](auto& v) { return scale(binary_cross_entropy_with_logits(v[0], y), 1); }, {x});
  EXPECT_EQ(results[0].item(), 2e4);
  Tape tape;
  tape.watch(x);
  const Tensor gradient = tape.backward(binary_cross_entropy_with_logits(x, y)).of(x);
  const std::vector<double> expected{0, 0, 1, -1};
  for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(gradient.at(i), expected[static_cast<size_t>(i)]);
}

TEST(BinaryCrossEntropy, of_nothing_is_zero) {
  EXPECT_EQ(binary_cross_entropy_with_logits(Tensor::zeros({0}), Tensor::zeros({0})).item(), 0);
}

TEST(BinaryCrossEntropy, says_what_does_not_fit) {
  EXPECT_EQ(error_of([] { binary_cross_entropy_with_logits(Tensor::zeros({2}), Tensor::zeros({3})); }),
            "binary_cross_entropy: logits float32 [2], targets float32 [3], expected equal ones");
}

}  // namespace
}  // namespace attune
