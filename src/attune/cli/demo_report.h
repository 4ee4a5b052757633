// How the demo shows sentences: a translation beside its reference, and under each output word the source word it
// looked at most.
#pragma once

#include <string>
#include <vector>

#include "attune/metrics/alignment.h"

namespace attune::cli {

struct ShownSentence {
  int number = 1;
  std::string source, output, reference;
  Alignment looked_at = {};  // source word, output word
};

// Several lines, at most `width` columns wide.
std::string show_sentence(const ShownSentence& sentence, int width);

// One line per row: label, figure right-aligned, remark.
struct Figure {
  std::string label, value, remark;
};
std::string show_figures(const std::vector<Figure>& figures);

}  // namespace attune::cli
