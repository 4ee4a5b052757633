// Attention between the words of two sentences as an SVG: a row an output word, a column a source word, the darker the
// more it was looked at.
#pragma once

#include <string>
#include <vector>

#include "attune/decode/alignment.h"
#include "attune/metrics/alignment.h"

namespace attune::cli {

struct AttentionPicture {
  std::vector<std::string> source, output;  // words
  WordAttention attention = {};
  Alignment gold = {};  // links to be outlined; may be empty
};

// A whole SVG document; every cell has its words and weight as its title (what a pointer shows).
std::string draw(const AttentionPicture& picture);

}  // namespace attune::cli
