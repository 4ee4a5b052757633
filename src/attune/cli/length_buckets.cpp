#include "attune/cli/length_buckets.h"

#include <fmt/core.h>

#include <algorithm>

#include "attune/text/unicode.h"

namespace attune::cli {

std::string LengthBucket::name() const {
  return from == 0 && to ? fmt::format("≤{}", *to) : to ? fmt::format("{}-{}", from, *to) : fmt::format("≥{}", from);
}

std::string LengthBucket::key() const {
  return from == 0 && to ? fmt::format("up_to_{}", *to)
         : to            ? fmt::format("{}_to_{}", from, *to)
                         : fmt::format("from_{}", from);
}

std::vector<LengthBucket> length_buckets(std::span<const int> bounds) {
  std::vector<LengthBucket> buckets;
  int from = 0;
  for (const int bound : bounds) {
    buckets.push_back({from, bound});
    from = bound + 1;
  }
  if (!buckets.empty()) {
    buckets.push_back({from, {}});
  }
  return buckets;
}

std::vector<int> thirds_by_length(std::span<const std::string> sources) {
  std::vector<int> lengths;
  for (const std::string& source : sources) {
    lengths.push_back(words_in(source));
  }
  std::sort(lengths.begin(), lengths.end());
  std::vector<int> bounds;
  for (const size_t third : {size_t{1}, size_t{2}}) {
    const int bound = lengths.empty() ? 0 : lengths[(lengths.size() * third - 1) / 3];
    if (!lengths.empty() && bound < lengths.back() && (bounds.empty() || bound > bounds.back())) {
      bounds.push_back(bound);
    }
  }
  return bounds;
}

int words_in(const std::string& sentence) {
  return static_cast<int>(split_whitespace(sentence).size());
}

}  // namespace attune::cli
