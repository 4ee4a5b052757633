// A parallel corpus as flags name it: a source and a target file, or one file of source<TAB>target.
#pragma once

#include <string>
#include <vector>

#include "attune/data/corpus.h"

namespace attune::cli {

using CorpusFiles = std::vector<std::string>;  // one or two; of text alone as many as one likes

ParallelCorpus read_corpus(const CorpusFiles& files);

// "a.de and a.en", "a, b and c"
std::string listed(const CorpusFiles& files);

// "1014 lines, checksum 1c291ca3": equal for equal lines, whatever file they come from.
std::string fingerprint(const std::vector<std::string>& lines);

}  // namespace attune::cli
