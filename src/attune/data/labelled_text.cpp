#include "attune/data/labelled_text.h"

#include <algorithm>

#include "attune/base/check.h"
#include "attune/base/profile.h"
#include "attune/data/corpus.h"
#include "attune/text/unicode.h"

namespace attune {
namespace {

constexpr const char* tagged_form = ": expected word<TAB>tag (or a blank between them; a blank line ends a sentence), ";

std::pair<std::string, std::string> word_and_tag(const std::string& line, const std::string& where) {
  if (line.find('\t') == std::string::npos) {
    const std::vector<std::string_view> columns = split_whitespace(line);
    check(columns.size() == 2, where, tagged_form, "got ", columns.size(),
          columns.size() == 1 ? " column" : " columns");
    return {std::string(columns[0]), std::string(columns[1])};
  }
  const int64_t tabs = std::count(line.begin(), line.end(), '\t');
  check(tabs == 1, where, tagged_form, "got ", tabs + 1, " columns");
  const size_t tab = line.find('\t');
  const std::string word = line.substr(0, tab), tag(trim_right(line.substr(tab + 1)));
  check(split_whitespace(word).size() == 1, where, tagged_form, "got \"", word, "\" as the word");
  check(split_whitespace(tag).size() == 1, where, tagged_form, "got \"", tag, "\" as the tag");
  return {word, tag};
}

}  // namespace

LabelledText read_labelled_text(const std::string& path) {
  const ProfileScope scope("read_corpus");
  LineReader reader(path);
  LabelledText result;
  while (const auto line = reader.next()) {
    const auto tabs = std::count(line->begin(), line->end(), '\t');
    check(tabs == 1, reader.name(), ":", reader.line(), ": expected text<TAB>label, got ",
          tabs == 0 ? "no tab" : "more than one tab");
    const size_t tab = line->find('\t');
    std::string label(trim_right(std::string_view(*line).substr(tab + 1)));
    check(!label.empty(), reader.name(), ":", reader.line(), ": expected text<TAB>label, got no label behind the tab");
    result.texts.push_back(line->substr(0, tab));
    result.labels.push_back(std::move(label));
  }
  check(!result.texts.empty(), reader.name(), ": expected at least one line of text<TAB>label, the file is empty");
  return result;
}

std::vector<TaggedSentence> read_tagged_text(const std::string& path) {
  const ProfileScope scope("read_corpus");
  LineReader reader(path);
  std::vector<TaggedSentence> sentences;
  bool within = false;
  while (const auto line = reader.next()) {
    if (split_whitespace(*line).empty()) {
      within = false;
      continue;
    }
    auto [word, tag] = word_and_tag(*line, reader.name() + ":" + std::to_string(reader.line()));
    if (!within) {
      sentences.push_back({{}, {}, reader.line()});
      within = true;
    }
    sentences.back().words.push_back(std::move(word));
    sentences.back().tags.push_back(std::move(tag));
  }
  check(!sentences.empty(), reader.name(), ": expected at least one line of word<TAB>tag, the file has none");
  return sentences;
}

std::vector<int> label_ids(const LabelledText& text, const Labels& labels, const std::string& path) {
  std::vector<int> ids;
  for (size_t i = 0; i < text.labels.size(); ++i) {
    ids.push_back(labels.find(text.labels[i], path + ":" + std::to_string(i + 1)));
  }
  return ids;
}

std::vector<std::vector<int>> label_ids(const std::vector<TaggedSentence>& sentences, const Labels& labels,
                                        const std::string& path) {
  std::vector<std::vector<int>> ids;
  for (const TaggedSentence& sentence : sentences) {
    ids.emplace_back();
    for (size_t i = 0; i < sentence.tags.size(); ++i) {
      ids.back().push_back(
          labels.find(sentence.tags[i], path + ":" + std::to_string(sentence.line + static_cast<int64_t>(i))));
    }
  }
  return ids;
}

Labels labels_of(const std::vector<TaggedSentence>& sentences) {
  std::vector<std::string> used;
  for (const TaggedSentence& sentence : sentences) {
    used.insert(used.end(), sentence.tags.begin(), sentence.tags.end());
  }
  return Labels::of(used);
}

}  // namespace attune
