#include <gtest/gtest.h>

#include <cmath>
#include <string_view>

#include "attune/explain/steps_test.h"
#include "attune/explain/topics.h"

namespace attune::explain {
namespace {

TEST(ExplainPositions, a_step_to_the_next_position_is_one_rotation_in_every_layout) {
  for (const char* kind : {"sinusoidal", "sinusoidal_concatenated", "sinusoidal_tensor2tensor"}) {
    const auto steps = steps_of(explain_positions({.positions = kind, .length = 20, .width = 8}));
    const Tensor difference = step_named(steps, "difference").value;
    for (int64_t i = 0; i < difference.elements(); ++i) {
      EXPECT_LT(std::fabs(difference.at(i)), 1e-13) << kind;
    }
    const Tensor omega = step_named(steps, "omega").value;
    EXPECT_NEAR(omega.at(0), 1, 1e-15) << kind;
    EXPECT_NEAR(omega.at(3), std::string_view(kind) == "sinusoidal_tensor2tensor" ? 1e-4 : 1e-3, 1e-12) << kind;
    const Tensor dots = step_named(steps, "PE PE'").value;
    for (int64_t i = 1; i < 19; ++i) {
      EXPECT_NEAR(dots.at(i * 20 + i + 1), dots.at(1), 1e-12) << kind << ": depends on more than the distance";
    }
  }
}

TEST(ExplainPositions, a_step_to_the_next_position_is_one_rotation_of_queries_and_keys) {
  for (const char* kind : {"rotary", "rotary_halves"}) {
    const auto steps = steps_of(explain_positions({.positions = kind, .length = 20, .width = 8}));
    const Tensor difference = step_named(steps, "difference").value;
    for (int64_t i = 0; i < difference.elements(); ++i) {
      EXPECT_LT(std::fabs(difference.at(i)), 1e-13) << kind;
    }
    EXPECT_NEAR(step_named(steps, "omega").value.at(3), 1e-3, 1e-15) << kind;
    const Tensor dots = step_named(steps, "Q Q'").value;
    for (int64_t i = 1; i < 19; ++i) {
      EXPECT_NEAR(dots.at(i * 20 + i + 1), dots.at(1), 1e-12) << kind << ": depends on more than the distance";
    }
    const Tensor turn = step_named(steps, "R").value;  // the first pair turns by 1
    EXPECT_NEAR(turn.at(std::string_view(kind) == "rotary" ? 1 : 4), std::sin(1.0), 1e-15) << kind;
  }
}

TEST(ExplainPositions, biases_of_positions_are_those_of_their_papers) {
  const auto slopes = step_named(steps_of(explain_positions({.positions = "alibi", .heads = 8})), "slopes").value;
  for (int h = 0; h < 8; ++h) EXPECT_EQ(slopes.at(h), std::pow(0.5, h + 1));
  const auto bias = step_named(steps_of(explain_positions({.positions = "alibi", .length = 3, .heads = 8})), "B").value;
  EXPECT_EQ(bias.at(9 + 2), -0.25 * 2) << "head 2, query 0, key 2";
  EXPECT_EQ(bias.at(9 + 4), 0);
  const auto t5 = steps_of(explain_positions({.positions = "relative", .length = 12}));
  const Tensor first = step_named(t5, "first.encoder").value, both = step_named(t5, "bucket.encoder").value;
  EXPECT_EQ(first.at(7), 7);
  EXPECT_EQ(first.at(9), 12);
  EXPECT_EQ(both.at(11 * 12), 8) << "11 back";
  EXPECT_EQ(both.at(11), 24) << "11 ahead";
  EXPECT_EQ(both.at(13), 0);
  const Tensor past = step_named(t5, "bucket.decoder").value;
  EXPECT_EQ(past.at(11 * 12), 11);
  EXPECT_TRUE(std::isnan(past.at(11)));
  const auto offsets = steps_of(explain_positions({.positions = "relative_offset", .length = 5, .max_positions = 3}));
  const Tensor number = step_named(offsets, "encoder").value;
  EXPECT_EQ(number.at(0), 2);
  EXPECT_EQ(number.at(1), 3);
  EXPECT_EQ(number.at(4), 4) << "clipped";
  EXPECT_EQ(number.at(20), 0) << "clipped";
  EXPECT_EQ(step_named(offsets, "decoder").value.at(20), 2);
}

}  // namespace
}  // namespace attune::explain
