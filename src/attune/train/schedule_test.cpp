#include "attune/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

namespace attune {
namespace {

TrainOptions with(const char* scheduler) {
  TrainOptions options;
  options.lr_scheduler = scheduler;
  options.lr = 2;
  options.warmup_updates = 100;
  options.max_update = 1100;
  return options;
}

TEST(Schedule, all_but_the_papers_rise_linearly_to_the_peak) {
  for (const char* name : {"inverse_sqrt", "cosine", "linear", "constant", "plateau"}) {
    EXPECT_DOUBLE_EQ(learning_rate(with(name), 1), 0.02) << name;
    EXPECT_DOUBLE_EQ(learning_rate(with(name), 50), 1) << name;
    EXPECT_DOUBLE_EQ(learning_rate(with(name), 100), 2) << name;
  }
}

TEST(Schedule, falls_as_its_formula_says) {
  EXPECT_DOUBLE_EQ(learning_rate(with("inverse_sqrt"), 400), 1);
  EXPECT_DOUBLE_EQ(learning_rate(with("cosine"), 600), 1);
  EXPECT_NEAR(learning_rate(with("cosine"), 350), 1 + std::sqrt(0.5), 1e-12);
  EXPECT_NEAR(learning_rate(with("cosine"), 1100), 0, 1e-12);
  EXPECT_DOUBLE_EQ(learning_rate(with("linear"), 850), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(with("linear"), 5000), 0);
  EXPECT_DOUBLE_EQ(learning_rate(with("constant"), 5000), 2);
}

TEST(Schedule, ends_with_the_minutes_where_only_they_are_given) {
  for (const char* name : {"cosine", "linear"}) {
    TrainOptions options = with(name);
    options.max_update = 0;
    options.max_minutes = 10;
    EXPECT_DOUBLE_EQ(learning_rate(options, 50, {.seconds = 599}), 1) << "the warm-up is one of updates";
    EXPECT_DOUBLE_EQ(learning_rate(options, 101, {.seconds = 300}), 1) << name;
    EXPECT_DOUBLE_EQ(learning_rate(options, 90'000, {.seconds = 300}), 1) << name;
    EXPECT_NEAR(learning_rate(options, 101, {.seconds = 600}), 0, 1e-12) << name;
    EXPECT_NEAR(learning_rate(options, 101, {.seconds = 900}), 0, 1e-12) << name;
    options.max_update = 1100;  // then the updates decide
    EXPECT_DOUBLE_EQ(learning_rate(options, 600, {.seconds = 590}), 1) << name;
  }
}

TEST(Schedule, the_papers_formula_with_its_numbers) {
  TrainOptions options = with("transformer");
  options.lr = 1;
  options.warmup_updates = 4000;
  const ScheduleState base{.width = 512};
  EXPECT_NEAR(learning_rate(options, 4000, base), std::pow(512, -0.5) * std::pow(4000, -0.5), 1e-15);  // 6.99e-4
  EXPECT_NEAR(learning_rate(options, 1, base), 1.7469281074217107e-07, 1e-18);
  EXPECT_NEAR(learning_rate(options, 100'000, base), 1.3975424859373686e-4, 1e-15);
}

TEST(Schedule, never_falls_below_the_floor_after_the_warm_up) {
  for (const char* name : {"inverse_sqrt", "transformer", "cosine", "linear", "plateau"}) {
    TrainOptions options = with(name);
    options.min_lr = 0.25;
    EXPECT_DOUBLE_EQ(learning_rate(options, 1'000'000'000, {.plateau_scale = 1e-6}), 0.25) << name;
    EXPECT_LT(learning_rate(options, 1), 0.25) << name;
  }
}

TEST(Schedule, a_plateau_shrinks_the_rate) {
  const TrainOptions options = with("plateau");
  double scale = 1;
  scale = next_plateau_scale(options, scale, true);
  EXPECT_EQ(scale, 1);
  scale = next_plateau_scale(options, scale, false);
  EXPECT_DOUBLE_EQ(learning_rate(options, 200, {.plateau_scale = scale}), 1);
  EXPECT_EQ(next_plateau_scale(with("constant"), 1, false), 1);
}

TEST(Schedule, no_warm_up_starts_at_the_peak) {
  for (const char* name : {"inverse_sqrt", "linear", "constant", "cosine"}) {
    TrainOptions options = with(name);
    options.warmup_updates = 0;
    EXPECT_NEAR(learning_rate(options, 1), 2, 0.002) << name;
  }
}

}  // namespace
}  // namespace attune
