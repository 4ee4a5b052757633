// Sentences sorted into buckets by the words of their source, to be scored apart: what a model makes of long sentences.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace attune::cli {

struct LengthBucket {
  int from = 0;
  std::optional<int> to = {};  // inclusive; the last bucket is open

  bool holds(int words) const { return words >= from && (!to || words <= *to); }
  std::string name() const;  // "≤10", "11-15", "≥16"
  std::string key() const;   // "up_to_10", "11_to_15", "from_16"
};

// A bucket up to each bound (inclusive, rising) and one for what is longer; none without bounds.
std::vector<LengthBucket> length_buckets(std::span<const int> bounds);

// The bounds of three buckets of about the same number of sentences; of fewer where the lengths are too much alike.
std::vector<int> thirds_by_length(std::span<const std::string> sources);

int words_in(const std::string& sentence);

}  // namespace attune::cli
