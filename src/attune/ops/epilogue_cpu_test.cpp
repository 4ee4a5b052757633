// What linear() does in the pass that finishes its rows, against the ops one after the other.
#include "attune/ops/epilogue_cpu.h"

#include "attune/ops/dropout.h"
#include "attune/ops/linear.h"
#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using namespace testing;

constexpr Activation all[] = {Activation::identity, Activation::relu,    Activation::gelu, Activation::gelu_tanh,
                              Activation::silu,     Activation::sigmoid, Activation::tanh};

std::vector<Tensor> operands(int64_t rows, int64_t in, int64_t out, DType dtype = DType::float64) {
  return {random_tensor({rows, in}, Rng(1), dtype), random_tensor({out, in}, Rng(2), dtype),
          random_tensor({out}, Rng(3), dtype)};
}

LinearOptions options(Activation activation, double rate) {
  return {.activation = activation, .dropout = rate, .rng = Rng(9)};
}

TEST(Epilogue, has_the_gradients_of_its_definition_for_every_activation_with_and_without_dropout) {
  for (const Activation activation : all) {
    for (const double rate : {0.0, 0.4}) {
      for (const auto& [rows, out] : {std::pair{5, 7}, std::pair{3, 1}, std::pair{1, 4}, std::pair{0, 3}}) {
        SCOPED_TRACE(std::string(name_of(activation)) + " " + std::to_string(rate));
        check_op([&](auto& x) { return linear(x[0], x[1], x[2], options(activation, rate)); }, operands(rows, 3, out));
      }
    }
  }
}

TEST(Epilogue, has_the_bits_of_the_ops_one_after_the_other) {
  // More rows than a block and a chunk, an odd number of columns (pairs of draws lie across rows).
  for (const Activation activation : all) {
    for (const double rate : {0.0, 0.3}) {
      for (const auto& [rows, out] : {std::pair{700, 33}, std::pair{130, 4100}}) {
        const auto x = operands(rows, 8, out, DType::float32);
        const auto fused = run([&](auto& v) { return linear(v[0], v[1], v[2], options(activation, rate)); }, x);
        const auto apart =
            run([&](auto& v) { return dropout(activate(linear(v[0], v[1], v[2]), activation), rate, Rng(9)); }, x);
        for (size_t i = 0; i < 3; ++i) {
          EXPECT_TRUE(same_bits(fused[i], apart[i])) << name_of(activation) << " " << rate << " " << i;
        }
        EXPECT_LT(relative_difference(fused[3], apart[3]), 1e-5);  // other chunks of the sum over rows
      }
    }
  }
}

TEST(Epilogue, rounds_its_result_to_bfloat16_once_and_keeps_the_gradients) {
  const auto x = operands(700, 24, 33, DType::float32);
  for (const Activation activation : all) {
    LinearOptions with = options(activation, 0.3);
    with.compute = DType::bfloat16;
    const auto plain = run([&](auto& v) { return linear(v[0], v[1], v[2], with); }, x);
    with.result = DType::bfloat16;
    const Tensor y = linear(x[0], x[1], x[2], with);
    EXPECT_EQ(y.dtype(), DType::bfloat16);
    EXPECT_TRUE(same_bits(y, plain[0].to(DType::bfloat16))) << name_of(activation);
    // Behind another product the gradients are those of a result that is rounded by that product.
    const Tensor next = random_tensor({5, 33}, Rng(4), DType::float32);
    const auto chained = [&](DType result) {
      return run(
          [&](auto& v) {
            LinearOptions first = with;
            first.result = result;
            return linear(linear(v[0], v[1], v[2], first), next, {}, {.compute = DType::bfloat16});
          },
          x);
    };
    const auto rounded = chained(DType::bfloat16), unrounded = chained(DType::float32);
    for (size_t i = 0; i < rounded.size(); ++i) {
      EXPECT_EQ(rounded[i].dtype(), DType::float32);
      EXPECT_TRUE(same_bits(rounded[i], unrounded[i])) << name_of(activation) << " " << i;
    }
  }
}

TEST(Epilogue, drops_nothing_without_a_generator) {
  const auto x = operands(9, 4, 6, DType::float32);
  EXPECT_TRUE(same_bits(linear(x[0], x[1], x[2], {.dropout = 0.5}), linear(x[0], x[1], x[2])));
  EXPECT_EQ(error_of([&] { linear(x[0], x[1], x[2], options(Activation::relu, 1.0)); }),
            "dropout: rate 1 is outside 0 <= rate < 1");
  EXPECT_EQ(error_of([&] { linear(x[0], x[1], x[2], {.result = DType::bfloat16}); }),
            "linear: a bfloat16 result needs the compute type bfloat16");
}

TEST(Epilogue, of_a_bfloat16_tensor_the_gradient_is_float32) {
  const Tensor x = random_tensor({6, 8}, Rng(1), DType::float32).to(DType::bfloat16);
  const Tensor w = random_tensor({4, 8}, Rng(2), DType::float32);
  const auto results = run([](auto& v) { return linear(v[0], v[1], {}, {.compute = DType::bfloat16}); }, {x, w});
  EXPECT_EQ(results[1].dtype(), DType::float32);
  const auto wide =
      run([](auto& v) { return linear(v[0], v[1], {}, {.compute = DType::bfloat16}); }, {x.to(DType::float32), w});
  for (size_t i = 0; i < results.size(); ++i) EXPECT_TRUE(same_bits(results[i], wide[i])) << i;
}

}  // namespace
}  // namespace attune
