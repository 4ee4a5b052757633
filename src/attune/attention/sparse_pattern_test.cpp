// Sparse patterns against their definitions by hand.
#include "attune/attention/sparse_pattern.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace attune::attention {
namespace {

// What each query of a head sees of a sequence, a line each.
std::vector<std::string> picture(const SparsePattern& pattern, int head, int n) {
  std::vector<std::string> lines;
  for (int i = 0; i < n; ++i) {
    lines.emplace_back();
    for (int j = 0; j < n; ++j) lines.back() += may_see(pattern, {0, head, i, j, n}) ? 'x' : '.';
  }
  return lines;
}

using Lines = std::vector<std::string>;

TEST(SparsePattern, sees_what_the_papers_say) {
  const SparsePattern window{SlidingWindow{.window = 2, .dilation = {1, 2}}};
  EXPECT_EQ(picture(window, 0, 5), (Lines{"xx...", "xxx..", ".xxx.", "..xxx", "...xx"}));
  EXPECT_EQ(picture(window, 1, 5), (Lines{"x.x..", ".x.x.", "x.x.x", ".x.x.", "..x.x"}));
  const SparsePattern global{SlidingWindow{.window = 2}, {.leading = 1, .positions = {{3}}}};
  EXPECT_EQ(picture(global, 0, 6), (Lines{"xxxxxx", "xxxx..", "xxxx..", "xxxxxx", "x..xxx", "x..xxx"}));
  SparsePattern elsewhere = global;
  elsewhere.global.attend = false;
  EXPECT_EQ(picture(elsewhere, 0, 6), (Lines{"......", "xxxx..", "xxxx..", "......", "x..xxx", "x..xxx"}));
  const SparsePattern strided{StridedPattern{.stride = 3}};
  EXPECT_EQ(picture(strided, 0, 6), (Lines{"xxx...", "xxxx..", "xxxxx.", ".xxxxx", "..xxxx", "...xxx"}));
  EXPECT_EQ(picture(strided, 1, 6), (Lines{"x..x..", ".x..x.", "..x..x", "x..x..", ".x..x.", "..x..x"}));
  const SparsePattern fixed{FixedPattern{.stride = 3, .summary = 1}};
  EXPECT_EQ(picture(fixed, 0, 5), (Lines{"xxx..", "xxx..", "xxx..", "...xx", "...xx"}));
  EXPECT_EQ(picture(fixed, 1, 5), (Lines{"..x..", "..x..", "..x..", "..x..", "..x.."}));
  const BigBird blocks{.block = 2, .window_blocks = 1, .global_blocks = 2, .random_blocks = 0};
  EXPECT_EQ(picture({blocks}, 0, 7),
            (Lines{"xxxxxxx", "xxxxxxx", "xxxx..x", "xxxx..x", "xx..xxx", "xx..xxx", "xxxxxxx"}));
  const BigBird extended{.block = 2, .window_blocks = 1, .global_blocks = 0, .random_blocks = 0};
  EXPECT_EQ(picture({extended, {.leading = 1}}, 0, 5), (Lines{"xxxxx", "xxx..", "xxx..", "x..xx", "x..xx"}));
}

TEST(SparsePattern, draws_random_blocks_from_the_seed_each_of_those_left_and_none_twice) {
  const BigBird rule{.block = 4, .window_blocks = 3, .global_blocks = 3, .random_blocks = 3, .seed = 7};
  std::vector<int> drawn_of_twelve(12, 0);
  for (int head = 0; head < 200; ++head) {
    const std::vector<int> drawn = random_blocks(rule, head, 6, 12);
    EXPECT_EQ(drawn, random_blocks(rule, head, 6, 12));
    ASSERT_EQ(drawn.size(), 3U);
    for (const int block : drawn) ++drawn_of_twelve[static_cast<size_t>(block)];
    EXPECT_TRUE(drawn[0] < drawn[1] && drawn[1] < drawn[2]);
  }
  // Blocks 0, 1 and 11 are global, 5 to 7 the window: 3 of the other 6, so each in half of the draws, +-5 deviations.
  for (const int block : {2, 3, 4, 8, 9, 10}) EXPECT_NEAR(drawn_of_twelve[static_cast<size_t>(block)], 100, 36);
  for (const int block : {0, 1, 5, 6, 7, 11}) EXPECT_EQ(drawn_of_twelve[static_cast<size_t>(block)], 0) << block;
  EXPECT_EQ(random_blocks(rule, 0, 3, 7), (std::vector<int>{5}));  // the only one left
  BigBird other = rule;
  other.seed = 8;
  EXPECT_NE(picture({rule}, 0, 60), picture({other}, 0, 60));
  EXPECT_NE(picture({rule}, 0, 60), picture({rule}, 1, 60));
}

}  // namespace
}  // namespace attune::attention
