// Texts with a class each, text<TAB>label a line, and sentences with a tag on each word, word<TAB>tag or word<blank>tag
// a line and a blank line behind each sentence; plain or gzip, or standard input as "-". Errors name file and line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attune/data/labels.h"

namespace attune {

struct LabelledText {
  std::vector<std::string> texts, labels;  // of equal size; line i + 1 of the file
};
// A line without exactly one tab or without a label is an error.
LabelledText read_labelled_text(const std::string& path);

struct TaggedSentence {
  std::vector<std::string> words, tags;  // of equal size, at least one
  int64_t line = 0;                      // of the first word, from 1
};
// A line that is not two columns is an error.
std::vector<TaggedSentence> read_tagged_text(const std::string& path);

// The number of each label. One that is not among them is an error that names file and line: it was not seen in
// training.
std::vector<int> label_ids(const LabelledText& text, const Labels& labels, const std::string& path);
std::vector<std::vector<int>> label_ids(const std::vector<TaggedSentence>& sentences, const Labels& labels,
                                        const std::string& path);

Labels labels_of(const std::vector<TaggedSentence>& sentences);

}  // namespace attune
