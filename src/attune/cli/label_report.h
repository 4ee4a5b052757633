// How well labels are told, as lines of a table: accuracy and F1, span F1 for IOB2 tags, each label's precision and
// recall, and the confusion matrix.
#pragma once

#include <string>

#include "attune/data/labels.h"
#include "attune/train/label_scores.h"

namespace attune::cli {

// what: "validation data", in the first line.
std::string label_report(const LabelScore& score, const Labels& labels, const std::string& what);

}  // namespace attune::cli
