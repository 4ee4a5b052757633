#include "attune/ops/permute_rows.h"

#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using namespace testing;

TEST(PermuteRows, takes_rows_and_gives_gradients_back) {
  const std::vector<int32_t> from{2, 0, 1}, to{1, 2, 0};
  const Tensor y = permute_rows(Tensor::of<float>({3, 2}, {0, 1, 2, 3, 4, 5}), from, to);
  EXPECT_EQ(std::vector<float>(y.data<float>().begin(), y.data<float>().end()), (std::vector<float>{4, 5, 0, 1, 2, 3}));
  check_op([&](auto& x) { return permute_rows(x[0], from, to); }, {random_tensor({3, 4}, Rng(1))});
  check_op([&](auto& x) { return permute_rows(x[0], {}, {}); }, {random_tensor({0, 4}, Rng(1))});
}

TEST(PermuteRows, moves_rows_of_every_type) {
  const std::vector<int32_t> swap{1, 0};
  const Tensor x = random_tensor({2, 3}, Rng(1), DType::bfloat16);
  EXPECT_TRUE(same_bits(permute_rows(x, swap, swap).rows_view(0, 1), x.rows_view(1, 1)));
}

TEST(PermuteRows, refuses_what_is_no_way_there_and_back) {
  const std::vector<int32_t> from{2, 0, 1}, twice{0, 0, 1}, outside{3, 0, 1};
  const Tensor x = random_tensor({3, 2}, Rng(1));
  for (const auto& wrong : {from, twice, outside}) {
    EXPECT_NE(error_of([&] { permute_rows(x, wrong, from); }).find("row"), std::string::npos);
  }
  EXPECT_NE(error_of([&] { permute_rows(x, {}, {}); }), "no error");
}

}  // namespace
}  // namespace attune
