// Word alignments in Pharaoh's notation, gold alignments with sure and possible links, and the alignment error rate
//   AER = 1 - (|A n S| + |A n P|) / (|A| + |S|)      Och and Ney 2003; S is part of P
// over a corpus: the counts are summed first.
#pragma once

#include <compare>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

struct Link {
  int source = 0, target = 0;  // words, counted from 0
  auto operator<=>(const Link&) const = default;
};
using Alignment = std::vector<Link>;  // parsed ones are sorted and without duplicates

struct GoldAlignment {
  Alignment sure;
  Alignment possible;  // with the sure ones
};

struct AlignmentFormat {
  bool one_based = false;  // words are counted from 1 in the text
};

// "0-0 1-2"
Alignment parse_alignment(std::string_view line, const AlignmentFormat& format = {});
std::string to_pharaoh(const Alignment& alignment);

// "0-0 1p2": i-j is sure, ipj possible
GoldAlignment parse_gold_alignment(std::string_view line, const AlignmentFormat& format = {});

// Words in the same order, stretched to fit: each target word links to the source word that stands at the same share of
// the sentence. The yardstick of every alignment.
Alignment diagonal_alignment(int source_words, int target_words);

// One sentence a line; errors name the line.
std::vector<Alignment> read_alignments(std::istream& lines, const AlignmentFormat& format = {});
std::vector<GoldAlignment> read_gold_alignments(std::istream& lines, const AlignmentFormat& format = {});

struct AlignmentScore {
  double error_rate = 0;  // 0..1; 0 when there is neither a link nor a sure link anywhere
  double precision = 1;   // |A n P| / |A|; 1 when no link was proposed
  double recall = 1;      // |A n S| / |S|; 1 when none was sure
  int64_t links = 0, sure = 0, links_sure = 0, links_possible = 0;  // |A|, |S|, |A n S|, |A n P|
};
AlignmentScore alignment_error_rate(std::span<const Alignment> hypotheses, std::span<const GoldAlignment> gold);

}  // namespace attune
