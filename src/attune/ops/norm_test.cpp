#include <gtest/gtest.h>

#include <cmath>

#include "attune/autograd/gradient_check.h"
#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/layer_norm.h"
#include "attune/ops/norm_cpu.h"
#include "attune/ops/op_checks.h"
#include "attune/ops/rms_norm.h"

namespace attune {
namespace {

Tensor offset_by(Tensor x, double offset) {
  for (double& value : x.data<double>()) value += offset;
  return x;
}

TEST(Norm, gradients_of_x_weight_and_bias_equal_finite_differences) {
  for (const Shape& shape :
       {Shape{3, 4}, Shape{1, 19}, Shape{70, 2}, Shape{5}, Shape{2, 2, 3}, Shape{0, 4}, Shape{3, 0}}) {
    const Shape row{shape[-1]};
    const std::vector<Tensor> inputs{random_tensor(shape, Rng(1)), random_tensor(row, Rng(2)),
                                     random_tensor(row, Rng(3))};
    const NormOptions options{.epsilon = 0.3};  // large, so that its place in the formula matters
    const auto layer = gradient_error([&](auto& x) { return layer_norm(x[0], x[1], x[2], options); }, inputs);
    EXPECT_LT(layer.error, 1e-7) << shape.text() << layer.where;
    const auto no_bias = gradient_error([&](auto& x) { return layer_norm(x[0], x[1], {}, options); }, inputs);
    EXPECT_LT(no_bias.error, 1e-7) << shape.text() << no_bias.where;
    const auto rms = gradient_error([&](auto& x) { return rms_norm(x[0], x[1], options); }, inputs);
    EXPECT_LT(rms.error, 1e-7) << shape.text() << rms.where;
  }
}

TEST(Norm, of_no_rows_has_gradients_of_0) {
  std::vector<float> weight(3, 7.0f), bias(3, 7.0f);
  const cpu::NormRows size{.rows = 0, .columns = 3, .epsilon = 1e-5, .centred = true};
  const auto sums = [&](bool add) {
    cpu::norm_backward<float>(size, {nullptr, weight.data(), bias.data(), false, add, add}, nullptr, nullptr,
                              weight.data(), nullptr);
  };
  sums(true);
  for (const auto* sum : {&weight, &bias}) EXPECT_EQ(*sum, std::vector<float>(3, 7.0f));
  sums(false);
  for (const auto* sum : {&weight, &bias}) EXPECT_EQ(*sum, std::vector<float>(3, 0.0f));
}

TEST(Norm, is_the_textbook_formula_for_every_row_length) {
  for (int64_t n = 1; n < 70; ++n) {
    const Tensor x = random_tensor({2, n}, Rng(1)), weight = random_tensor({n}, Rng(2)),
                 bias = random_tensor({n}, Rng(3));
    const Tensor layer = layer_norm(x, weight, bias), rms = rms_norm(x, weight);
    for (int64_t row = 0; row < 2; ++row) {
      double mean = 0, square = 0;
      for (int64_t j = 0; j < n; ++j) {
        mean += x.at(row * n + j) / static_cast<double>(n);
        square += x.at(row * n + j) * x.at(row * n + j) / static_cast<double>(n);
      }
      for (int64_t j = 0; j < n; ++j) {
        const double value = x.at(row * n + j), variance = std::max(0.0, square - mean * mean);
        ASSERT_NEAR(layer.at(row * n + j), (value - mean) / std::sqrt(variance + 1e-5) * weight.at(j) + bias.at(j),
                    1e-11);
        ASSERT_NEAR(rms.at(row * n + j), value / std::sqrt(square + 1e-5) * weight.at(j), 1e-13);
      }
    }
  }
}

TEST(Norm, one_column_gives_the_bias_and_no_gradient) {
  const Tensor x = Tensor::of<float>({2, 1}, {3, -7}), weight = Tensor::of<float>({1}, {5}),
               bias = Tensor::of<float>({1}, {2});
  Tape tape;
  tape.watch(x);
  const Tensor y = layer_norm(x, weight, bias), seed = Tensor::full({2, 1}, 1.0);
  EXPECT_EQ(y.at(0), 2.0);
  EXPECT_EQ(y.at(1), 2.0);
  EXPECT_EQ(tape.backward(std::span(&y, 1), std::span(&seed, 1)).of(x).at(0), 0.0);
}

// y and all gradients in float32 and in float64 from the same float32 numbers.
void expect_float32_accurate(double offset, bool centred) {
  const Tensor x = offset_by(random_tensor({130, 133}, Rng(4)), offset).to(DType::float32);
  const Tensor weight = random_tensor({133}, Rng(5), DType::float32),
               bias = random_tensor({133}, Rng(6), DType::float32);
  const Tensor seed = random_tensor(x.shape(), Rng(7), DType::float32);
  const auto run = [&](DType dtype) {
    const Tensor inputs[] = {x.to(dtype), weight.to(dtype), bias.to(dtype)};
    Tape tape;
    for (const Tensor& input : inputs) tape.watch(input);
    const Tensor y = centred ? layer_norm(inputs[0], inputs[1], inputs[2]) : rms_norm(inputs[0], inputs[1]);
    const Tensor dy = seed.to(dtype);
    const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&dy, 1));
    std::vector<Tensor> all{y, gradients.of(inputs[0]), gradients.of(inputs[1])};
    if (centred) all.push_back(gradients.of(inputs[2]));
    return all;
  };
  const auto narrow = run(DType::float32), wide = run(DType::float64);
  for (size_t k = 0; k < narrow.size(); ++k) {
    double largest = 0, error = 0;
    for (int64_t i = 0; i < wide[k].elements(); ++i) {
      largest = std::max(largest, std::fabs(wide[k].at(i)));
      error = std::max(error, std::fabs(wide[k].at(i) - narrow[k].at(i)));
    }
    EXPECT_LE(error, 1e-6 * largest) << "offset " << offset << ", tensor " << k;
  }
}

TEST(Norm, float32_is_float64_rounded_even_far_from_zero) {
  for (double offset : {0.0, 1.0, 1000.0}) {
    expect_float32_accurate(offset, true);
    expect_float32_accurate(offset, false);
  }
}

TEST(Norm, all_bits_are_the_same_for_one_and_two_threads_and_for_a_row_alone) {
  const Tensor x = random_tensor({301, 77}, Rng(4), DType::float32),
               weight = random_tensor({77}, Rng(5), DType::float32);
  const Tensor bias = random_tensor({77}, Rng(6), DType::float32),
               seed = random_tensor(x.shape(), Rng(7), DType::float32);
  const auto run = [&](int threads_wanted) {
    set_threads(threads_wanted);
    Tape tape;
    for (const Tensor& input : {x, weight, bias}) tape.watch(input);
    const Tensor y = layer_norm(x, weight, bias);
    const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&seed, 1));
    set_threads(0);
    return std::vector<Tensor>{y, gradients.of(x), gradients.of(weight), gradients.of(bias)};
  };
  const auto one = run(1), two = run(2);
  for (size_t k = 0; k < one.size(); ++k) {
    for (int64_t i = 0; i < one[k].elements(); ++i) ASSERT_EQ(one[k].at(i), two[k].at(i)) << k;
  }
  const Tensor alone = layer_norm(x.rows_view(200, 1), weight, bias);
  for (int64_t j = 0; j < 77; ++j) ASSERT_EQ(alone.at(j), one[0].at(200 * 77 + j));
}

TEST(Norm, a_weight_used_twice_and_a_strided_input_get_the_right_gradients) {
  const auto twice =
      gradient_error([](auto& x) { return layer_norm(layer_norm(x[0], x[1], x[2]), x[1], x[2]); },
                     {random_tensor({3, 4}, Rng(1)), random_tensor({4}, Rng(2)), random_tensor({4}, Rng(3))});
  EXPECT_LT(twice.error, 1e-7) << twice.where;
  const Tensor x = random_tensor({3, 9}, Rng(8)).columns_view(2, 4);
  const auto strided = gradient_error([&](auto& w) { return rms_norm(x, w[0]); }, {random_tensor({4}, Rng(2))});
  EXPECT_LT(strided.error, 1e-7) << strided.where;
}

TEST(Norm, writes_parameter_gradients_where_they_belong) {
  Parameter weight({4}, {Initialiser::Kind::constant, 1});
  Parameters list;
  list.add("weight", weight);
  list.allocate(DType::float64);
  weight.fill(1.5);
  Tape tape(list);
  const Tensor x = random_tensor({3, 4}, Rng(1)), once = rms_norm(x, weight), again = rms_norm(x, weight);
  const Tensor seed = Tensor::full({3, 4}, 1.0, DType::float64);
  const Tensor outputs[] = {once, again}, seeds[] = {seed, seed};
  const Tensor both = tape.backward(outputs, seeds)["weight"].clone();
  const Tensor single = tape.backward(std::span(outputs, 1), std::span(seeds, 1))["weight"];
  for (int64_t j = 0; j < 4; ++j) {
    EXPECT_NE(single.at(j), 0.0);
    EXPECT_DOUBLE_EQ(both.at(j), 2 * single.at(j));
  }
}

TEST(Norm, rounds_its_result_to_bfloat16_and_not_its_gradients) {
  for (const int64_t n : {1, 7, 256}) {
    const Tensor x = random_tensor({66, n}, Rng(1), DType::float32),
                 weight = random_tensor({n}, Rng(2), DType::float32), bias = random_tensor({n}, Rng(3), DType::float32);
    const auto norm_with = [&](DType result) {
      return testing::run([&](auto& v) { return layer_norm(v[0], v[1], v[2], {.result = result}); }, {x, weight, bias});
    };
    const Tensor plain = layer_norm(x, weight, bias),
                 rounded = layer_norm(x, weight, bias, {.result = DType::bfloat16});
    EXPECT_TRUE(testing::same_bits(rounded, plain.to(DType::bfloat16)));
    EXPECT_TRUE(
        testing::same_bits(rms_norm(x, weight, {.result = DType::bfloat16}), rms_norm(x, weight).to(DType::bfloat16)));
    Tape tape;
    tape.watch(x);
    const std::vector<Tensor> ys{layer_norm(x, weight, bias, {.result = DType::bfloat16})};
    const std::vector<Tensor> seeds{random_tensor(x.shape(), Rng(77), DType::float32)};
    EXPECT_TRUE(testing::same_bits(tape.backward(ys, seeds).of(x), norm_with(DType::float32)[1])) << n;
  }
  EXPECT_EQ(testing::error_of([] {
              layer_norm(Tensor::zeros({2, 3}, DType::float64), Tensor::zeros({3}, DType::float64), {},
                         {.result = DType::bfloat16});
            }),
            "layer_norm: a bfloat16 result needs a float32 x, found float64");
}

TEST(Norm, adds_its_gradient_to_what_a_residual_gave) {
  const auto residual = [](auto& v) { return add(v[0], layer_norm(v[0], v[1], v[2])); };
  testing::check_op(residual, {random_tensor({5, 6}, Rng(1)), random_tensor({6}, Rng(2)), random_tensor({6}, Rng(3))});
  testing::check_op(residual,
                    {random_tensor({70, 19}, Rng(1)), random_tensor({19}, Rng(2)), random_tensor({19}, Rng(3))});
}

TEST(Norm, refuses_a_weight_of_another_width_and_names_both) {
  try {
    layer_norm(Tensor::zeros({2, 4}), Tensor::zeros({3}), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "layer_norm: weight has shape [3], expected [4], the columns of x [2, 4]");
  }
}

}  // namespace
}  // namespace attune
