#include "attune/ops/step_linear.h"

#include "attune/base/profile.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/concat.h"
#include "attune/ops/linear.h"
#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using namespace testing;

// Three steps, each fed by the one before.
template <class Product>
Tensor three_steps(const Tensor& x, Product&& product) {
  const Tensor first = product(x), second = product(first);
  return concat(std::vector<Tensor>{first, second, product(scale(second, 0.5))}, Along::rows);
}

std::vector<Tensor> operands() {
  return {random_tensor({3, 4}, Rng(1)), random_tensor({4, 4}, Rng(2)), random_tensor({4}, Rng(3))};
}

Tensor with_steps(std::vector<Tensor>& x) {
  const StepLinear step(x[1], x.size() > 2 ? x[2] : Tensor());
  return three_steps(x[0], [&](const Tensor& rows) { return step(rows); });
}

Tensor with_linear(std::vector<Tensor>& x) {
  return three_steps(x[0], [&](const Tensor& rows) { return linear(rows, x[1], x[2]); });
}

TEST(StepLinear, is_linear_at_every_step) {
  check_op(with_steps, operands());
  auto x = operands();
  EXPECT_TRUE(same_bits(with_steps(x), with_linear(x)));
  const auto found = run(with_steps, operands()), expected = run(with_linear, operands());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_LT(relative_difference(found[i], expected[i]), 1e-14) << i;
  }
}

TEST(StepLinear, adds_to_a_base) {
  const auto f = [](std::vector<Tensor>& x) {
    const StepLinear step(x[1]);
    return step(step(x[0], x[2]), scale(x[2], 2));
  };
  check_op(f, {random_tensor({3, 4}, Rng(1)), random_tensor({4, 4}, Rng(2)), random_tensor({3, 4}, Rng(3))});
}

TEST(StepLinear, needs_no_gradient_of_constants) {
  const auto x = operands();
  check_op([&](auto& v) { return StepLinear(x[1].to(v[0].dtype()))(v[0]); }, {x[0]});
  check_op([&](auto& v) { return StepLinear(v[0], v[1])(x[0].to(v[0].dtype())); }, {x[1], x[2]});
}

TEST(StepLinear, without_a_use_has_no_gradient_and_of_no_rows_zeros) {
  const Tensor weight = random_tensor({2, 3}, Rng(1)), x = random_tensor({0, 3}, Rng(2));
  Tape tape;
  tape.watch(weight);
  const StepLinear unused(weight), used(weight);
  const Tensor y = used(x), seed = y.clone();
  const Tensor gradient = tape.backward(std::span(&y, 1), std::span(&seed, 1)).of(weight);
  for (double value : gradient.data<double>()) EXPECT_EQ(value, 0);
}

int64_t count_of(const ProfileNode& node, std::string_view name) {
  int64_t count = node.name == name ? node.calls : 0;
  for (const ProfileNode& child : node.children) count += count_of(child, name);
  return count;
}

TEST(StepLinear, multiplies_for_the_weights_gradient_once) {
  const Tensor weight = random_tensor({4, 4}, Rng(1)), x = random_tensor({3, 4}, Rng(2));
  Tape tape;
  tape.watch(weight);
  const StepLinear step(weight);
  const Tensor y = step(step(step(step(x)))), seed = random_tensor(y.shape(), Rng(3));
  Profile profile;
  tape.backward(std::span(&y, 1), std::span(&seed, 1));
  EXPECT_EQ(count_of(profile.stop().total, "product"),
            3 + 1);  // of the inputs that depend on the weight, of the weight
}

TEST(StepLinear, in_bfloat16_rounds_as_linear_does) {
  const auto x = operands();
  const auto f = [](bool steps) {
    return [steps](std::vector<Tensor>& v) {
      const StepLinear step(v[1], v[2], DType::bfloat16);
      return three_steps(v[0], [&](const Tensor& rows) {
        return steps ? step(rows) : linear(rows, v[1], v[2], {.compute = DType::bfloat16});
      });
    };
  };
  std::vector<Tensor> single;
  for (const Tensor& t : x) single.push_back(t.to(DType::float32));
  const auto found = run(f(true), single), expected = run(f(false), single);
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_LT(relative_difference(found[i], expected[i]), 1e-5) << i;
  }
}

TEST(StepLinear, refuses_what_does_not_fit) {
  const auto x = operands();
  EXPECT_NE(error_of([&] { StepLinear step(x[2]); }), "no error");
  EXPECT_NE(error_of([&] { StepLinear step(x[1], random_tensor({3}, Rng(1))); }), "no error");
  const StepLinear step(x[1], x[2]);
  EXPECT_NE(error_of([&] { step(random_tensor({3, 5}, Rng(1))); }), "no error");
  EXPECT_NE(error_of([&] { step(x[0], x[0]); }).find("no bias"), std::string::npos);
}

}  // namespace
}  // namespace attune
