#include "attune/ops/concat.h"

#include "attune/ops/arithmetic.h"
#include "attune/ops/op_checks.h"
#include "attune/ops/reshape.h"

namespace attune {
namespace {

using namespace testing;

Tensor join_rows(std::vector<Tensor>& x) {
  return concat(x, Along::rows);
}
Tensor join_columns(std::vector<Tensor>& x) {
  return concat(x, Along::columns);
}

TEST(Concat, joins_rows_and_columns) {
  const std::vector<Tensor> parts{Tensor::of<int32_t>({2, 1}, {1, 2}), Tensor::of<int32_t>({2, 2}, {3, 4, 5, 6})};
  const Tensor y = concat(parts, Along::columns);
  EXPECT_EQ(std::vector<int32_t>(y.data<int32_t>().begin(), y.data<int32_t>().end()),
            (std::vector<int32_t>{1, 3, 4, 2, 5, 6}));
  const std::vector<Tensor> both{parts[1], parts[1].rows_view(1, 1)};
  EXPECT_EQ(concat(both, Along::rows).shape(), Shape({3, 2}));
  EXPECT_EQ(concat(both, Along::rows).at(4), 5);
}

TEST(Concat, has_the_gradients_of_its_definition) {
  check_op(join_rows, {random_tensor({2, 3}, Rng(1)), random_tensor({1, 3}, Rng(2)), random_tensor({3, 3}, Rng(3))});
  check_op(join_columns, {random_tensor({2, 3}, Rng(1)), random_tensor({2, 1}, Rng(2))});
  check_op(join_columns, {random_tensor({2, 2, 3}, Rng(1)), random_tensor({2, 2, 1}, Rng(2))});
  check_op(join_rows, {random_tensor({2, 2, 3}, Rng(1)), random_tensor({1, 2, 3}, Rng(2))});
  check_op(join_rows, {random_tensor({3}, Rng(1)), random_tensor({1}, Rng(2))});
  check_op(
      [](auto& x) {
        return concat(std::vector<Tensor>{x[0], x[0], x[1]}, Along::columns);
      },
      {random_tensor({2, 3}, Rng(1)), random_tensor({2, 1}, Rng(2))});
}

TEST(Concat, takes_empty_parts) {
  const std::vector<Tensor> parts{Tensor::zeros({0, 3}), Tensor::full({2, 3}, 1), Tensor::zeros({0, 3})};
  EXPECT_EQ(concat(parts, Along::rows).shape(), Shape({2, 3}));
  EXPECT_EQ(sum(concat(parts, Along::rows)).item(), 6);
}

TEST(Split, undoes_concat_and_has_the_gradients_of_its_definition) {
  const std::vector<int64_t> sizes{1, 0, 3};
  for (const Along axis : {Along::rows, Along::columns}) {
    for (const Shape& shape : {Shape({4, 4}), Shape({4, 2, 4}), Shape({4})}) {
      const Tensor x = random_tensor(shape, Rng(1));
      EXPECT_TRUE(same_bits(concat(split(x, sizes, axis), axis), x));
      check_op([&](auto& v) { return concat(split(v[0], sizes, axis), axis); }, {x});
      check_op([&](auto& v) { return scale(split(v[0], sizes, axis)[2], 3); }, {x});  // other parts unused
      check_op(
          [&](auto& v) {
            const auto parts = split(v[0], sizes, axis);
            return add(multiply(sum(parts[0]), sum(parts[2])), sum(v[0]));
          },
          {x});
    }
  }
}

TEST(Split, copies_nothing) {
  const Tensor x = random_tensor({4, 6}, Rng(1));
  for (const Tensor& part : split(x, std::vector<int64_t>{2, 4}, Along::columns)) {
    EXPECT_EQ(part.storage(), x.storage());
  }
}

TEST(Concat, and_split_say_what_does_not_fit) {
  EXPECT_EQ(error_of([] {
              concat(std::vector<Tensor>{Tensor::zeros({2, 3}), Tensor::zeros({2, 4})}, Along::rows);
            }),
            "concat: part 1 is float32 [2, 4], part 0 is float32 [2, 3]; they may differ only in their first axis");
  EXPECT_EQ(error_of([] { concat({}, Along::rows); }), "concat: no parts were given");
  EXPECT_EQ(error_of([] {
              split(Tensor::zeros({2, 3}), std::vector<int64_t>{1, 1}, Along::columns);
            }),
            "split: the parts sum to 2, the last axis of [2, 3] has 3");
}

TEST(Reshape, keeps_the_elements_and_has_the_gradients_of_its_definition) {
  check_op([](auto& x) { return reshape(x[0], {3, 4}); }, {random_tensor({2, 6}, Rng(1))});
  check_op([](auto& x) { return reshape(x[0], {1}); }, {random_tensor({}, Rng(1))});
  check_op([](auto& x) { return multiply(reshape(x[0], {6}), reshape(x[0], {6})); }, {random_tensor({2, 3}, Rng(1))});
  EXPECT_EQ(reshape(Tensor::zeros({0, 3}), {5, 0}).shape(), Shape({5, 0}));
  EXPECT_EQ(error_of([] { reshape(Tensor::zeros({2, 3}), {4}); }), "reshape: [2, 3] has 6 elements, [4] needs 4");
}

}  // namespace
}  // namespace attune
