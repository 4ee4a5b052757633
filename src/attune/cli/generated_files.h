// Generated corpora as files: source, target and the gold alignment in Pharaoh's notation, or two columns of one file.
#pragma once

#include <string>
#include <vector>

#include "attune/data/generated.h"
#include "attune/metrics/alignment.h"

namespace attune::cli {

// Throws an Error that names it.
void make_directory(const std::string& directory);

struct FileEndings {
  std::string source, target;
};
// `stem`.en, `stem`.vi and `stem`.align, where those are the endings.
void write_pairs(const std::string& stem, const FileEndings& endings, const std::vector<GeneratedPair>& pairs);
// source<TAB>target a line.
void write_columns(const std::string& path, const std::vector<GeneratedPair>& pairs);

Alignment gold_links(const GeneratedPair& pair);

}  // namespace attune::cli
