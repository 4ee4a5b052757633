#include "attune/ops/segment_reduce.h"

#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using namespace testing;

const Segments packed = Segments::of_lengths(std::vector<int>{2, 0, 1, 3});

TEST(SegmentReduce, sums_and_averages_the_rows_of_each_sequence) {
  const Tensor x = Tensor::of<float>({6, 1}, {1, 3, 10, 1, 2, 6});
  const Tensor total = segment_sum(x, packed), average = segment_mean(x, packed);
  EXPECT_EQ(std::vector<float>(total.data<float>().begin(), total.data<float>().end()),
            (std::vector<float>{4, 0, 10, 9}));
  EXPECT_EQ(std::vector<float>(average.data<float>().begin(), average.data<float>().end()),
            (std::vector<float>{2, 0, 10, 3}));
}

TEST(SegmentReduce, has_the_gradients_of_its_definition) {
  const Segments gaps = Segments::at({4, 0}, {2, 3}, 7);
  for (const Segments& segments : {packed, gaps, Segments::of_lengths(std::vector<int>{1})}) {
    const Tensor x = random_tensor({segments.rows(), 3}, Rng(1));
    check_op([&](auto& v) { return segment_sum(v[0], segments); }, {x});
    check_op([&](auto& v) { return segment_mean(v[0], segments); }, {x});
  }
  const Segments many = Segments::equal(40, 50);
  check_op([&](auto& v) { return segment_mean(v[0], many); }, {random_tensor({2000, 33}, Rng(1))},
           {.gradients = false});
}

TEST(SegmentReduce, of_no_sequences_is_empty) {
  EXPECT_EQ(segment_sum(Tensor::zeros({0, 3}), Segments()).shape(), Shape({0, 3}));
}

TEST(SegmentReduce, reads_coinciding_sequences_but_has_no_gradient_of_them) {
  const Segments twice = Segments::at({0, 0}, {2, 2}, 2);
  const Tensor x = Tensor::of<float>({2, 1}, {1, 2});
  EXPECT_EQ(segment_sum(x, twice).at(1), 3);
  EXPECT_EQ(error_of([&] { run([&](auto& v) { return segment_sum(v[0], twice); }, {x}); }),
            "segment_sum: the backward needs disjoint segments");
}

TEST(SegmentReduce, says_what_does_not_fit) {
  EXPECT_EQ(error_of([] {
              segment_mean(Tensor::zeros({5, 2}), packed);
            }),
            "segment_mean: x [5, 2] must be [6, width] to fit the segments");
}

}  // namespace
}  // namespace attune
