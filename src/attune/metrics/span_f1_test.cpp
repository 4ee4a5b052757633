#include "attune/metrics/span_f1.h"

#include <gtest/gtest.h>

#include "attune/base/error_of_test.h"

namespace attune {
namespace {

using testing::error_of;
using Tags = std::vector<std::string>;
using Spans = std::vector<TagSpan>;

TEST(SpanF1, spans_are_read_as_conlleval_reads_them_malformed_ones_too) {
  EXPECT_EQ(spans_of(Tags{"B-PER", "I-PER", "O", "B-LOC"}), (Spans{{0, 2, "PER"}, {3, 4, "LOC"}}));
  EXPECT_EQ(spans_of(Tags{"B-PER", "B-PER", "I-PER"}), (Spans{{0, 1, "PER"}, {1, 3, "PER"}}));
  EXPECT_EQ(spans_of(Tags{"I-PER", "I-PER", "O", "I-LOC"}), (Spans{{0, 2, "PER"}, {3, 4, "LOC"}}));  // begins with I
  EXPECT_EQ(spans_of(Tags{"B-PER", "I-LOC", "I-LOC"}), (Spans{{0, 1, "PER"}, {1, 3, "LOC"}}));       // another type
  EXPECT_EQ(spans_of(Tags{"O", "O"}), Spans{});
  EXPECT_EQ(spans_of(Tags{}), Spans{});
}

// The example of seqeval's documentation, and what it gives for it: precision 0.5, recall 0.5, F1 0.5.
TEST(SpanF1, a_span_counts_when_ends_and_type_are_the_gold_ones) {
  const std::vector<Tags> gold{{"O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"}, {"B-PER", "I-PER", "O"}};
  const std::vector<Tags> predicted{{"O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"}, {"B-PER", "I-PER", "O"}};
  const SpanScore score = span_f1(predicted, gold);
  EXPECT_EQ(score.gold, 2);
  EXPECT_EQ(score.predicted, 2);
  EXPECT_EQ(score.correct, 1);
  EXPECT_DOUBLE_EQ(score.precision, 0.5);
  EXPECT_DOUBLE_EQ(score.recall, 0.5);
  EXPECT_DOUBLE_EQ(score.f1, 0.5);
}

// Gold: 3 spans. Predicted: 4, of which (0,1 A) and (2,4 B) are gold; (4,5 B) has the wrong type, (5,6 A) is none.
TEST(SpanF1, counts_are_summed_over_the_corpus) {
  const std::vector<Tags> gold{{"B-A", "O", "B-B", "I-B", "B-A", "O"}, {"O"}};
  const std::vector<Tags> predicted{{"B-A", "O", "B-B", "I-B", "B-B", "I-A"}, {"O"}};
  const SpanScore score = span_f1(predicted, gold);
  EXPECT_EQ(score.gold, 3);
  EXPECT_EQ(score.predicted, 4);
  EXPECT_EQ(score.correct, 2);
  EXPECT_DOUBLE_EQ(score.precision, 0.5);
  EXPECT_DOUBLE_EQ(score.recall, 2.0 / 3);
  EXPECT_DOUBLE_EQ(score.f1, 4.0 / 7);
}

TEST(SpanF1, without_any_span_it_is_0) {
  const std::vector<Tags> tags{{"O", "O"}};
  const SpanScore score = span_f1(tags, tags);
  EXPECT_EQ(score.f1, 0);
  EXPECT_EQ(score.precision, 0);
  EXPECT_EQ(score.recall, 0);
}

TEST(SpanF1, tells_iob2_from_other_tags_and_refuses_those) {
  EXPECT_TRUE(is_iob2("O"));
  EXPECT_TRUE(is_iob2("B-PER"));
  EXPECT_FALSE(is_iob2("NOUN"));
  EXPECT_FALSE(is_iob2("B-"));
  EXPECT_FALSE(is_iob2("E-PER"));
  EXPECT_EQ(error_of([] {
              spans_of(Tags{"O", "NOUN"});
            }),
            "span F1: \"NOUN\" is no IOB2 tag; expected O, B-TYPE or I-TYPE");
  EXPECT_EQ(error_of([] {
              span_f1(std::vector<Tags>{{"O"}}, std::vector<Tags>{{"O", "O"}});
            }),
            "span F1: sentence 1 has 1 tags but 2 gold ones");
  EXPECT_EQ(error_of([] { span_f1(std::vector<Tags>{}, std::vector<Tags>{{"O"}}); }),
            "span F1: 0 tagged sentences but 1 gold ones; both must have one per sentence, in the same order");
}

}  // namespace
}  // namespace attune
