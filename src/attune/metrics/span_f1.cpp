#include "attune/metrics/span_f1.h"

#include <algorithm>
#include <iterator>

#include "attune/base/check.h"

namespace attune {
namespace {

double ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

bool is_iob2(std::string_view tag) {
  return tag == "O" || (tag.size() > 2 && (tag.starts_with("B-") || tag.starts_with("I-")));
}

std::vector<TagSpan> spans_of(std::span<const std::string> tags) {
  std::vector<TagSpan> spans;
  bool open = false;
  for (size_t i = 0; i < tags.size(); ++i) {
    const std::string_view tag = tags[i];
    check(is_iob2(tag), "span F1: \"", tag, "\" is no IOB2 tag; expected O, B-TYPE or I-TYPE");
    const int at = static_cast<int>(i);
    if (tag == "O") {
      open = false;
      continue;
    }
    const std::string_view type = tag.substr(2);
    if (tag.front() == 'I' && open && spans.back().type == type) {
      spans.back().end = at + 1;
    } else {
      spans.push_back({at, at + 1, std::string(type)});
      open = true;
    }
  }
  return spans;
}

SpanScore span_f1(std::span<const std::vector<std::string>> predicted, std::span<const std::vector<std::string>> gold) {
  check(predicted.size() == gold.size(), "span F1: ", predicted.size(), " tagged sentences but ", gold.size(),
        " gold ones; both must have one per sentence, in the same order");
  SpanScore score;
  for (size_t i = 0; i < gold.size(); ++i) {
    check(predicted[i].size() == gold[i].size(), "span F1: sentence ", i + 1, " has ", predicted[i].size(),
          " tags but ", gold[i].size(), " gold ones");
    const std::vector<TagSpan> found = spans_of(predicted[i]), wanted = spans_of(gold[i]);
    std::vector<TagSpan> both;
    std::set_intersection(found.begin(), found.end(), wanted.begin(), wanted.end(), std::back_inserter(both));
    score.predicted += static_cast<int64_t>(found.size());
    score.gold += static_cast<int64_t>(wanted.size());
    score.correct += static_cast<int64_t>(both.size());
  }
  score.precision = ratio(score.correct, score.predicted);
  score.recall = ratio(score.correct, score.gold);
  score.f1 = ratio(2 * score.correct, score.predicted + score.gold);
  return score;
}

}  // namespace attune
