#include "attune/ops/arithmetic.h"

#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using namespace testing;

struct Binary {
  const char* name;
  Tensor (*op)(const Tensor&, const Tensor&);
  double (*value)(double, double);
};
const Binary binaries[] = {{"add", add, [](double x, double y) { return x + y; }},
                           {"subtract", subtract, [](double x, double y) { return x - y; }},
                           {"multiply", multiply, [](double x, double y) { return x * y; }}};

TEST(Arithmetic, of_two_tensors_has_the_values_and_gradients_of_its_definition) {
  for (const Binary& binary : binaries) {
    const auto op = [&](auto& x) { return binary.op(x[0], x[1]); };
    for (const Shape& shape : {Shape({}), Shape({1}), Shape({7}), Shape({3, 5}), Shape({2, 3, 19})}) {
      SCOPED_TRACE(binary.name + shape.text());
      const Tensor x = random_tensor(shape, Rng(1)), y = random_tensor(shape, Rng(2));
      check_op(op, {x, y}, {.gradients = shape.elements() < 40});
      const Tensor z = binary.op(x, y);
      for (int64_t i = 0; i < z.elements(); ++i) EXPECT_EQ(z.at(i), binary.value(x.at(i), y.at(i)));
    }
  }
}

TEST(Arithmetic, with_one_row_uses_it_for_every_row_and_sums_its_gradient) {
  for (const Binary& binary : binaries) {
    SCOPED_TRACE(binary.name);
    const auto op = [&](auto& x) { return binary.op(x[0], x[1]); };
    check_op(op, {random_tensor({4, 5}, Rng(1)), random_tensor({5}, Rng(2))});
    check_op(op, {random_tensor({1, 1}, Rng(1)), random_tensor({1}, Rng(2))});
    check_op(op, {random_tensor({2, 3, 4}, Rng(1)), random_tensor({4}, Rng(2))});
    check_op(op, {random_tensor({1000, 133}, Rng(1)), random_tensor({133}, Rng(2))}, {.gradients = false});
    const Tensor x = random_tensor({3, 4}, Rng(1)), y = random_tensor({4}, Rng(2)), z = binary.op(x, y);
    for (int64_t i = 0; i < z.elements(); ++i) EXPECT_EQ(z.at(i), binary.value(x.at(i), y.at(i % 4)));
  }
}

TEST(Arithmetic, add_scaled_and_scale_rows_have_the_values_and_gradients_of_their_definitions) {
  const std::vector<double> factors{2, 0, -0.5};
  for (const Shape& shape : {Shape({3, 5}), Shape({3, 1})}) {
    const Tensor x = random_tensor(shape, Rng(1)), y = random_tensor(shape, Rng(2));
    check_op([](auto& v) { return add_scaled(v[0], v[1], 0.7); }, {x, y});
    check_op([](auto& v) { return add_scaled(v[0], v[0], 0.7); }, {x});
    check_op([&](auto& v) { return scale_rows(v[0], factors); }, {x});
    const Tensor sums = add_scaled(x, y, 0.5), rows = scale_rows(x, factors);
    for (int64_t i = 0; i < x.elements(); ++i) {
      EXPECT_DOUBLE_EQ(sums.at(i), 0.5 * (x.at(i) + y.at(i)));
      EXPECT_EQ(rows.at(i), factors[static_cast<size_t>(i / x.columns())] * x.at(i));
    }
  }
  EXPECT_EQ(error_of([&] {
              scale_rows(Tensor::zeros({2, 4}), factors);
            }),
            "scale_rows: 3 factors for the 2 rows of [2, 4]");
  EXPECT_THROW(add_scaled(Tensor::zeros({2, 4}), Tensor::zeros({4}), 1), Error);
}

TEST(Arithmetic, scale_gradient_changes_the_gradient_and_not_the_value) {
  const Tensor x = random_tensor({3, 4}, Rng(1));
  const auto plain = run([](auto& v) { return multiply(v[0], v[0]); }, {x});
  const auto scaled = run([](auto& v) { return multiply(scale_gradient(v[0], 0.25), v[0]); }, {x});
  EXPECT_TRUE(same_bits(plain[0], scaled[0]));
  for (int64_t i = 0; i < x.elements(); ++i) EXPECT_NEAR(scaled[1].at(i), plain[1].at(i) * 1.25 / 2, 1e-15);
}

TEST(Arithmetic, of_a_tensor_with_itself_sums_both_gradients) {
  for (const Binary& binary : binaries) {
    check_op([&](auto& x) { return binary.op(x[0], x[0]); }, {random_tensor({3, 4}, Rng(1))});
    check_op([&](auto& x) { return binary.op(binary.op(x[0], x[1]), x[1]); },
             {random_tensor({3, 4}, Rng(1)), random_tensor({4}, Rng(2))});
  }
}

TEST(Arithmetic, needs_no_gradient_of_constants) {
  const Tensor fixed = random_tensor({3, 4}, Rng(2));
  for (const Binary& binary : binaries) {
    check_op([&](auto& x) { return binary.op(fixed.to(x[0].dtype()), x[0]); }, {random_tensor({4}, Rng(1))});
    check_op([&](auto& x) { return binary.op(x[0], fixed.to(x[0].dtype())); }, {random_tensor({3, 4}, Rng(1))});
  }
}

TEST(Arithmetic, of_nothing_is_nothing) {
  for (const Binary& binary : binaries) {
    EXPECT_EQ(binary.op(Tensor::zeros({0, 4}), Tensor::zeros({0, 4})).shape(), Shape({0, 4}));
    const auto results =
        run([&](auto& x) { return binary.op(x[0], x[1]); }, {Tensor::zeros({0, 4}), Tensor::zeros({4})});
    EXPECT_EQ(results[0].shape(), Shape({0, 4}));
    for (float g : results[2].data<float>()) EXPECT_EQ(g, 0);
  }
  EXPECT_EQ(sum(Tensor::zeros({0, 4})).item(), 0);
  EXPECT_EQ(scale(Tensor::zeros({0, 4}), 2).shape(), Shape({0, 4}));
  EXPECT_EQ(error_of([] { mean(Tensor::zeros({0, 4})); }), "mean: tensor [0, 4] has no elements");
}

TEST(Arithmetic, scale_sum_and_mean_have_the_gradients_of_their_definitions) {
  for (const Shape& shape : {Shape({}), Shape({1}), Shape({3, 5})}) {
    const Tensor x = random_tensor(shape, Rng(1));
    check_op([](auto& v) { return scale(v[0], -2.5); }, {x});
    check_op([](auto& v) { return sum(v[0]); }, {x});
    check_op([](auto& v) { return mean(v[0]); }, {x});
    check_op([](auto& v) { return multiply(sum(v[0]), mean(v[0])); }, {x});
  }
}

TEST(Arithmetic, sum_is_exact_in_double_for_many_floats_and_the_same_for_any_threads) {
  const Tensor x = random_tensor({300000}, Rng(5), DType::float32);
  double expected = 0;
  for (float value : x.data<float>()) expected += static_cast<double>(value);
  check_op([](auto& v) { return sum(v[0]); }, {x.to(DType::float64)}, {.gradients = false});
  EXPECT_NEAR(sum(x).item(), expected, 1e-4);
  EXPECT_NEAR(mean(x).item(), expected / 300000, 1e-9);
}

TEST(Arithmetic, says_what_does_not_fit) {
  EXPECT_EQ(error_of([] {
              add(Tensor::zeros({2, 3}), Tensor::zeros({2}));
            }),
            "add: shapes [2, 3] and [2], expected equal ones or one row [3] as the second");
  EXPECT_EQ(error_of([] { multiply(Tensor::zeros({2}), Tensor::zeros({2}, DType::float64)); }),
            "multiply: float32 with float64, expected the same type");
}

}  // namespace
}  // namespace attune
