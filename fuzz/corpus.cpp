// Corpus readers: one input as a text, as a pair of parallel files and as TSV; plain or gzip, as its bytes say.
#include "attune/data/corpus.h"

#include <algorithm>

#include "memory_file.h"
#include "target.h"

using namespace attune;

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fuzz::MemoryFile file(fuzz::text_of(data, size));
  const std::string path = file.path();
  std::vector<std::string> lines;
  const bool readable = fuzz::accepts([&] { lines = read_lines(path); });
  for (const std::string& line : lines) {
    fuzz::must(line.find('\n') == std::string::npos && line.find('\0') == std::string::npos, "lines are lines");
  }
  ParallelCorpus pairs;
  if (fuzz::accepts([&] { pairs = read_pairs(path); })) {
    fuzz::must(readable && pairs.source.size() == lines.size() && pairs.target.size() == lines.size(),
               "each line is a pair");
  }
  if (readable && size < 512) {
    const ParallelCorpus parallel = read_parallel(path, path);
    fuzz::must(parallel.source == lines && parallel.target == lines, "a file is parallel to itself");
  }
  return 0;
}
