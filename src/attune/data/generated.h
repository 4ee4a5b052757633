// What a corpus that the program makes itself consists of: sentence pairs whose word alignment is known.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace attune {

struct GeneratedPair {
  std::string source, target;
  std::vector<std::pair<int, int>> alignment;  // sure links (source word, target word), 0-based, sorted

  bool operator==(const GeneratedPair&) const = default;
};

struct GeneratedCorpus {
  std::vector<GeneratedPair> train, valid, test;
};

}  // namespace attune
