#include "attune/tensor/time_major.h"

#include <gtest/gtest.h>

#include "attune/base/error_of_test.h"

namespace attune {
namespace {

using Ints = std::vector<int32_t>;

Ints list(std::span<const int32_t> values) {
  return {values.begin(), values.end()};
}

TEST(TimeMajor, puts_the_longest_first_and_the_rows_of_a_step_together) {
  // packed rows: a 0 1, b none, c 2 3 4, d 5, e 6 7 8
  const std::vector<int> lengths{2, 0, 3, 1, 3};
  const TimeMajor order(Segments::of_lengths(lengths));
  EXPECT_EQ(list(order.order()), (Ints{2, 4, 0, 3, 1}));
  EXPECT_EQ(list(order.place()), (Ints{2, 4, 0, 3, 1}));
  EXPECT_EQ(list(order.packed_row()), (Ints{2, 6, 0, 5, 3, 7, 1, 4, 8}));
  EXPECT_EQ(list(order.time_row()), (Ints{2, 6, 0, 4, 7, 3, 1, 5, 8}));
  ASSERT_EQ(order.steps(), 3);
  EXPECT_EQ((Ints{order.running(0), order.running(1), order.running(2)}), (Ints{4, 3, 2}));
  EXPECT_EQ((std::vector<int64_t>{order.begin(0), order.begin(1), order.begin(2)}), (std::vector<int64_t>{0, 4, 7}));
  for (int place = 0; place < 5; ++place) {
    EXPECT_EQ(order.length(place), lengths[static_cast<size_t>(order.order()[static_cast<size_t>(place)])]);
  }
}

TEST(TimeMajor, of_nothing_has_no_steps) {
  EXPECT_EQ(TimeMajor().steps(), 0);
  EXPECT_EQ(TimeMajor().rows(), 0);
  const TimeMajor empty_sentences(Segments::equal(3, 0));
  EXPECT_EQ(empty_sentences.sequences(), 3);
  EXPECT_EQ(empty_sentences.steps(), 0);
}

TEST(TimeMajor, refuses_sequences_with_gaps) {
  const std::string error = testing::error_of([] { TimeMajor order(Segments::at({0, 3}, {2, 2}, 5)); });
  EXPECT_NE(error.find("one after another"), std::string::npos) << error;
}

}  // namespace
}  // namespace attune
