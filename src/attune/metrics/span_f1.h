// F1 over the spans of IOB2 tags: B-TYPE begins a span, I-TYPE goes on with it, O is outside. A predicted span counts
// when both its ends and its type are the gold one's; counts are summed over the corpus (micro average).
// Malformed sequences are read as conlleval and seqeval (its default mode) read them: an I-TYPE behind O, behind
// another type or at the beginning begins a span of its own.
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

struct TagSpan {
  int begin = 0, end = 0;  // words, the end one behind the last
  std::string type;
  auto operator<=>(const TagSpan&) const = default;
};

// O, B-TYPE or I-TYPE with some type
bool is_iob2(std::string_view tag);
// In order. Throws when a tag is not of IOB2.
std::vector<TagSpan> spans_of(std::span<const std::string> tags);

struct SpanScore {
  double precision = 0, recall = 0, f1 = 0;  // 0 ... 1, each 0 where there are no spans to divide by
  int64_t gold = 0, predicted = 0, correct = 0;
};
// One vector of tags for each sentence; sentence i has as many in both.
SpanScore span_f1(std::span<const std::vector<std::string>> predicted, std::span<const std::vector<std::string>> gold);

}  // namespace attune
