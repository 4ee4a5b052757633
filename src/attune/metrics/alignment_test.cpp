#include "attune/metrics/alignment.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "attune/base/check.h"

namespace attune {
namespace {

std::string message_of(const std::string& line, const AlignmentFormat& format = {}) {
  try {
    std::istringstream lines("0-0\n" + line);
    read_alignments(lines, format);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Alignment, reads_and_writes_pharaohs_notation) {
  const Alignment links = parse_alignment(" 1-2 0-0\t1-2 10-3 ");
  EXPECT_EQ(links, (Alignment{{0, 0}, {1, 2}, {10, 3}}));
  EXPECT_EQ(to_pharaoh(links), "0-0 1-2 10-3");
  EXPECT_EQ(to_pharaoh(parse_alignment("")), "");
}

TEST(Alignment, gold_links_are_sure_or_possible_and_may_count_from_one) {
  const GoldAlignment gold = parse_gold_alignment("2-1 1p1 3p2", {.one_based = true});
  EXPECT_EQ(gold.sure, (Alignment{{1, 0}}));
  EXPECT_EQ(gold.possible, (Alignment{{0, 0}, {1, 0}, {2, 1}}));
}

TEST(Alignment, refuses_what_is_no_link_and_names_it_with_its_line) {
  for (const std::string bad : {"0:0", "0-", "-1", "1--2", "a-b", "1-2x", "1-2-3", "99999999999-0", "1 -2", "+1-2"}) {
    EXPECT_NE(message_of(bad).find("is not a link"), std::string::npos) << bad;
    EXPECT_NE(message_of(bad).find("(line 2)"), std::string::npos) << bad;
  }
  EXPECT_NE(message_of("1p2").find("possible link"), std::string::npos);
  EXPECT_NE(message_of("1-1", {.one_based = true}).find("word 0"), std::string::npos);
}

TEST(Alignment, the_diagonal_is_stretched_over_unequal_lengths) {
  EXPECT_EQ(to_pharaoh(diagonal_alignment(3, 3)), "0-0 1-1 2-2");
  EXPECT_EQ(to_pharaoh(diagonal_alignment(4, 2)), "1-0 3-1");
  EXPECT_EQ(to_pharaoh(diagonal_alignment(2, 5)), "0-0 0-1 1-2 1-3 1-4");
  EXPECT_EQ(to_pharaoh(diagonal_alignment(1, 3)), "0-0 0-1 0-2");
  EXPECT_TRUE(diagonal_alignment(0, 3).empty());
  EXPECT_TRUE(diagonal_alignment(3, 0).empty());
}

TEST(AlignmentErrorRate, follows_och_and_ney_by_hand) {
  // |A| = 4, |S| = 3, |A n S| = 2, |A n P| = 3
  const std::vector<Alignment> links = {parse_alignment("0-0 1-1"), parse_alignment("0-0 5-5")};
  const std::vector<GoldAlignment> gold = {parse_gold_alignment("0-0 1p1 2-2"), parse_gold_alignment("0-0 1p0")};
  const AlignmentScore score = alignment_error_rate(links, gold);
  EXPECT_DOUBLE_EQ(score.error_rate, 1 - 5.0 / 7);
  EXPECT_DOUBLE_EQ(score.precision, 3.0 / 4);
  EXPECT_DOUBLE_EQ(score.recall, 2.0 / 3);
}

TEST(AlignmentErrorRate, is_zero_for_the_sure_links_and_one_for_none) {
  const std::vector<GoldAlignment> gold = {parse_gold_alignment("0-0 1p1")};
  EXPECT_DOUBLE_EQ(alignment_error_rate(std::vector<Alignment>{{{0, 0}}}, gold).error_rate, 0);
  EXPECT_DOUBLE_EQ(alignment_error_rate(std::vector<Alignment>{{{0, 0}, {1, 1}}}, gold).error_rate, 0);
  EXPECT_DOUBLE_EQ(alignment_error_rate(std::vector<Alignment>{{}}, gold).error_rate, 1);
  EXPECT_DOUBLE_EQ(alignment_error_rate(std::vector<Alignment>{}, {}).error_rate, 0);
  EXPECT_THROW(alignment_error_rate(std::vector<Alignment>{}, gold), Error);
}

TEST(AlignmentErrorRate, of_the_hansards_sure_links_is_zero) {
  const std::string path = ATTUNE_SOURCE_DIR "/../shared/data/align/enfr.gold";
  std::ifstream file(path);
  if (!file) GTEST_SKIP() << "needs the Hansards gold alignments at " << path;
  const auto gold = read_gold_alignments(file, {.one_based = true});
  ASSERT_EQ(gold.size(), 447U);
  std::vector<Alignment> sure, possible;
  for (const GoldAlignment& sentence : gold) {
    sure.push_back(sentence.sure);
    possible.push_back(sentence.possible);
  }
  EXPECT_DOUBLE_EQ(alignment_error_rate(sure, gold).error_rate, 0);
  EXPECT_DOUBLE_EQ(alignment_error_rate(possible, gold).error_rate, 0);
}

}  // namespace
}  // namespace attune
