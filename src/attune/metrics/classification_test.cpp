#include "attune/metrics/classification.h"

#include <gtest/gtest.h>

#include "attune/base/error_of_test.h"

namespace attune {
namespace {

using testing::error_of;

// Gold 0 0 0 1 1 2 against 0 0 1 1 2 2, by hand.
TEST(Classification, scores_of_three_classes_are_those_computed_by_hand) {
  const std::vector<int> gold{0, 0, 0, 1, 1, 2}, predicted{0, 0, 1, 1, 2, 2};
  const ClassificationScore score = classification_score(predicted, gold, 3);
  EXPECT_EQ(score.confusion, (std::vector<int64_t>{2, 1, 0, 0, 1, 1, 0, 0, 1}));
  EXPECT_DOUBLE_EQ(score.accuracy, 4.0 / 6);
  EXPECT_DOUBLE_EQ(score.classes[0].precision, 1);
  EXPECT_DOUBLE_EQ(score.classes[0].recall, 2.0 / 3);
  EXPECT_DOUBLE_EQ(score.classes[0].f1, 0.8);
  EXPECT_DOUBLE_EQ(score.classes[1].precision, 0.5);
  EXPECT_DOUBLE_EQ(score.classes[1].recall, 0.5);
  EXPECT_DOUBLE_EQ(score.classes[1].f1, 0.5);
  EXPECT_DOUBLE_EQ(score.classes[2].precision, 0.5);
  EXPECT_DOUBLE_EQ(score.classes[2].recall, 1);
  EXPECT_DOUBLE_EQ(score.classes[2].f1, 2.0 / 3);
  EXPECT_DOUBLE_EQ(score.macro_f1, (0.8 + 0.5 + 2.0 / 3) / 3);
  EXPECT_EQ(score.classes[0].gold, 3);
  EXPECT_EQ(score.classes[2].predicted, 2);
}

TEST(Classification, a_class_that_is_never_predicted_has_precision_0_and_one_that_never_occurs_is_no_part_of_the_mean) {
  const std::vector<int> gold{0, 0, 1}, predicted{0, 0, 0};
  const ClassificationScore score = classification_score(predicted, gold, 3);
  EXPECT_DOUBLE_EQ(score.classes[1].precision, 0);
  EXPECT_DOUBLE_EQ(score.classes[1].f1, 0);
  EXPECT_DOUBLE_EQ(score.classes[0].f1, 0.8);
  EXPECT_DOUBLE_EQ(score.macro_f1, 0.4);  // of two classes: the third is neither gold nor predicted
}

TEST(Classification, refuses_counts_that_differ_classes_that_are_not_there_and_no_examples) {
  const std::vector<int> two{0, 1}, one{0}, none, beyond{0, 2};
  EXPECT_EQ(error_of([&] { classification_score(one, two, 2); }),
            "classification score: 1 predictions but 2 gold labels; both must have one per example, in the same order");
  EXPECT_EQ(error_of([&] { classification_score(none, none, 2); }), "classification score: no examples to score");
  EXPECT_EQ(error_of([&] { classification_score(beyond, two, 2); }),
            "classification score: example 1 is of class 1 and predicted as 2, there are 2 classes");
}

}  // namespace
}  // namespace attune
