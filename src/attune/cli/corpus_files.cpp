#include "attune/cli/corpus_files.h"

#include <fmt/core.h>

#include "attune/base/checksum.h"

namespace attune::cli {

ParallelCorpus read_corpus(const CorpusFiles& files) {
  return files.size() == 1 ? read_pairs(files[0]) : read_parallel(files[0], files[1]);
}

std::string listed(const CorpusFiles& files) {
  std::string all;
  for (size_t i = 0; i < files.size(); ++i) {
    all += (i == 0 ? "" : i + 1 == files.size() ? " and " : ", ") + files[i];
  }
  return all;
}

std::string fingerprint(const std::vector<std::string>& lines) {
  Checksum checksum;
  for (const std::string& line : lines) {
    checksum.add(line.data(), line.size());
    checksum.add("\n", 1);
  }
  return fmt::format("{} lines, checksum {:08x}", lines.size(), checksum.value());
}

}  // namespace attune::cli
