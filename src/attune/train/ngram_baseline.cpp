#include "attune/train/ngram_baseline.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "attune/base/profile.h"

namespace attune {

namespace {

constexpr double added = 0.1;  // to each count
constexpr uint32_t unseen = std::numeric_limits<uint32_t>::max();

// The n-grams of a training text, from its (n-1)-grams: for each place of a text the number of the one that ends there.
class Table {
 public:
  // At place i >= 1; the piece in front of the text is predicted by nothing and so not counted.
  Table(std::span<const int32_t> pieces, std::vector<uint32_t>& grams, size_t order) : order_(order) {
    std::vector<uint32_t> longer(pieces.size(), unseen);
    for (size_t i = order - 1; i < pieces.size(); ++i) {
      const uint32_t history = history_at(i, grams);
      const auto fresh = static_cast<uint32_t>(counts_.size());
      const auto [found, is_new] = numbers_.emplace(key(history, pieces[i]), fresh);
      if (is_new) {
        counts_.push_back(0);
      }
      if (history >= followed_.size()) {
        followed_.resize(history + 1, 0);
      }
      const int64_t once = i > 0 ? 1 : 0;
      counts_[found->second] += once;
      followed_[history] += once;
      longer[i] = found->second;
    }
    grams = std::move(longer);
  }

  // Of a text with these (n-1)-grams, which become its n-grams: -log p at each place that has n - 1 pieces before it.
  void tell(std::span<const int32_t> pieces, std::vector<uint32_t>& grams, double classes,
            std::vector<double>& nlls) const {
    std::vector<uint32_t> longer(pieces.size(), unseen);
    for (size_t i = order_ - 1; i < pieces.size(); ++i) {
      const uint32_t history = history_at(i, grams);
      const auto found = history == unseen ? numbers_.end() : numbers_.find(key(history, pieces[i]));
      longer[i] = found == numbers_.end() ? unseen : found->second;
      const int64_t count = longer[i] == unseen ? 0 : counts_[longer[i]];
      const int64_t all = history == unseen || history >= followed_.size() ? 0 : followed_[history];
      nlls[i] = -std::log((static_cast<double>(count) + added) / (static_cast<double>(all) + added * classes));
    }
    grams = std::move(longer);
  }

 private:
  static uint64_t key(uint32_t history, int32_t piece) {
    return uint64_t{history} << 32 | static_cast<uint32_t>(piece);
  }
  uint32_t history_at(size_t i, const std::vector<uint32_t>& grams) const { return order_ == 1 ? 0 : grams[i - 1]; }

  size_t order_;
  std::unordered_map<uint64_t, uint32_t> numbers_;  // (history, piece) -> the n-gram's number
  std::vector<int64_t> counts_, followed_;          // of each n-gram; of each history, by all that follows it
};

}  // namespace

std::vector<double> ngram_nlls(const TextStream& text, const TextStream& valid, int most_order) {
  const ProfileScope scope("ngrams");
  std::unordered_set<int32_t> occurring(text.pieces().begin() + 1, text.pieces().end());
  occurring.insert(valid.pieces().begin() + 1, valid.pieces().end());
  const auto classes = static_cast<double>(occurring.size());
  std::vector<uint32_t> grams, valid_grams;
  std::vector<double> nlls(valid.pieces().size()), result;
  for (size_t order = 1; order <= static_cast<size_t>(most_order); ++order) {
    const Table table(text.pieces(), grams, order);
    table.tell(valid.pieces(), valid_grams, classes, nlls);
    double nll = 0;
    valid.for_each_predicted([&](size_t place) { nll += nlls[place]; });
    result.push_back(nll / static_cast<double>(valid.predicted()));
  }
  return result;
}

}  // namespace attune
