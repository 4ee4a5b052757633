#include "attune/ops/embedding.h"

#include "attune/ops/arithmetic.h"
#include "attune/ops/linear.h"
#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using namespace testing;

TEST(Embedding, gives_the_rows_of_the_ids) {
  const Tensor y = embedding(Tensor::of<float>({3, 2}, {0, 1, 10, 11, 20, 21}), std::vector<int32_t>{2, 0, 2});
  EXPECT_EQ(std::vector<float>(y.data<float>().begin(), y.data<float>().end()),
            (std::vector<float>{20, 21, 0, 1, 20, 21}));
}

TEST(Embedding, adds_the_gradients_of_repeated_ids) {
  const std::vector<int32_t> ids{2, 0, 2, 2, 4}, one{0};
  check_op([&](auto& x) { return embedding(x[0], ids); }, {random_tensor({5, 3}, Rng(1))});
  check_op([&](auto& x) { return embedding(x[0], one); }, {random_tensor({1, 1}, Rng(1))});
  std::vector<int32_t> many(3000);
  for (size_t i = 0; i < many.size(); ++i) many[i] = static_cast<int32_t>(Rng(3).below(i, 50));
  check_op([&](auto& x) { return embedding(x[0], many); }, {random_tensor({60, 40}, Rng(1))}, {.gradients = false});
}

TEST(Embedding, shares_its_table_with_another_use) {
  const std::vector<int32_t> ids{1, 1, 3};
  check_op([&](auto& x) { return linear(embedding(x[0], ids), x[0]); }, {random_tensor({4, 3}, Rng(1))});
}

TEST(Embedding, of_no_ids_has_a_zero_gradient) {
  const auto results = run([](auto& x) { return embedding(x[0], {}); }, {random_tensor({4, 3}, Rng(1))});
  EXPECT_EQ(results[0].shape(), Shape({0, 3}));
  for (double g : results[1].data<double>()) EXPECT_EQ(g, 0);
}

TEST(Embedding, says_which_id_is_outside_the_table) {
  for (int32_t id : {-1, 3}) {
    EXPECT_EQ(error_of([&] {
                embedding(Tensor::zeros({3, 2}), std::vector<int32_t>{0, id});
              }),
              "embedding: id " + std::to_string(id) + " at position 1 is outside the table of 3 rows");
  }
}

}  // namespace
}  // namespace attune
