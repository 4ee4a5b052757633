#include "attune/metrics/alignment.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <istream>
#include <iterator>

#include "attune/base/check.h"
#include "attune/text/unicode.h"

namespace attune {
namespace {

struct ParsedLink {
  Link link;
  bool sure = true;
};

// False unless `text` is a whole number, a '-' or 'p', and a whole number.
bool read_link(std::string_view text, ParsedLink& parsed) {
  const char* end = text.data() + text.size();
  const auto digit = [&](const char* at) { return at != end && *at >= '0' && *at <= '9'; };
  if (!digit(text.data())) return false;
  const auto source = std::from_chars(text.data(), end, parsed.link.source);
  if (source.ec != std::errc() || source.ptr == end || (*source.ptr != '-' && *source.ptr != 'p')) return false;
  parsed.sure = *source.ptr == '-';
  if (!digit(source.ptr + 1)) return false;
  const auto target = std::from_chars(source.ptr + 1, end, parsed.link.target);
  return target.ec == std::errc() && target.ptr == end;
}

ParsedLink parse_link(std::string_view text, const AlignmentFormat& format) {
  ParsedLink parsed;
  check(read_link(text, parsed), "alignment: '", text, "' is not a link; expected i-j (or ipj for a possible link ",
        "in a gold alignment) with word numbers, for example 0-0");
  if (format.one_based) {
    check(parsed.link.source > 0 && parsed.link.target > 0, "alignment: '", text,
          "' has word 0, but words are counted from 1 in this file; read it as 0-based");
    --parsed.link.source;
    --parsed.link.target;
  }
  return parsed;
}

void make_set(Alignment& alignment) {
  std::sort(alignment.begin(), alignment.end());
  alignment.erase(std::unique(alignment.begin(), alignment.end()), alignment.end());
}

int64_t count_common(const Alignment& a, const Alignment& b) {
  Alignment common;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
  return static_cast<int64_t>(common.size());
}

template <class Parsed, class Parse>
std::vector<Parsed> read_lines(std::istream& lines, Parse parse) {
  std::vector<Parsed> all;
  std::string line;
  while (std::getline(lines, line)) {
    try {
      all.push_back(parse(line));
    } catch (const Error& error) {
      fail(error.what(), " (line ", all.size() + 1, ")");
    }
  }
  return all;
}

double ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 1 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

Alignment parse_alignment(std::string_view line, const AlignmentFormat& format) {
  Alignment alignment;
  for (const std::string_view word : split_whitespace(line)) {
    const ParsedLink parsed = parse_link(word, format);
    check(parsed.sure, "alignment: '", word, "' is a possible link, which only a gold alignment has; expected i-j");
    alignment.push_back(parsed.link);
  }
  make_set(alignment);
  return alignment;
}

std::string to_pharaoh(const Alignment& alignment) {
  std::string text;
  for (const Link& link : alignment) {
    text += fmt::format("{}{}-{}", text.empty() ? "" : " ", link.source, link.target);
  }
  return text;
}

Alignment diagonal_alignment(int source_words, int target_words) {
  Alignment alignment;
  for (int target = 0; target < target_words && source_words > 0; ++target) {  // the middle of the word
    alignment.push_back(
        {static_cast<int>((2 * int64_t{target} + 1) * source_words / (2 * int64_t{target_words})), target});
  }
  return alignment;
}

GoldAlignment parse_gold_alignment(std::string_view line, const AlignmentFormat& format) {
  GoldAlignment gold;
  for (const std::string_view word : split_whitespace(line)) {
    const ParsedLink parsed = parse_link(word, format);
    gold.possible.push_back(parsed.link);
    if (parsed.sure) gold.sure.push_back(parsed.link);
  }
  make_set(gold.sure);
  make_set(gold.possible);
  return gold;
}

std::vector<Alignment> read_alignments(std::istream& lines, const AlignmentFormat& format) {
  return read_lines<Alignment>(lines, [&](const std::string& line) { return parse_alignment(line, format); });
}

std::vector<GoldAlignment> read_gold_alignments(std::istream& lines, const AlignmentFormat& format) {
  return read_lines<GoldAlignment>(lines, [&](const std::string& line) { return parse_gold_alignment(line, format); });
}

AlignmentScore alignment_error_rate(std::span<const Alignment> hypotheses, std::span<const GoldAlignment> gold) {
  check(hypotheses.size() == gold.size(), "alignment error rate: ", hypotheses.size(), " alignments but ", gold.size(),
        " gold alignments; both must have one per sentence, in the same order");
  AlignmentScore score;
  for (size_t i = 0; i < gold.size(); ++i) {
    Alignment links = hypotheses[i], sure = gold[i].sure, possible = gold[i].possible;
    possible.insert(possible.end(), sure.begin(), sure.end());  // built by hand, it may lack them
    for (Alignment* alignment : {&links, &sure, &possible}) make_set(*alignment);
    score.links += static_cast<int64_t>(links.size());
    score.sure += static_cast<int64_t>(sure.size());
    score.links_sure += count_common(links, sure);
    score.links_possible += count_common(links, possible);
  }
  score.precision = ratio(score.links_possible, score.links);
  score.recall = ratio(score.links_sure, score.sure);
  score.error_rate = 1 - ratio(score.links_sure + score.links_possible, score.links + score.sure);
  return score;
}

}  // namespace attune
