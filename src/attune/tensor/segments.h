// Where each sequence lies in a packed matrix [rows, width]: sequence i is rows begin(i) ... begin(i) + length(i) - 1.
// Queries lie one after another; keys may leave gaps (a cache that grows in place) or coincide (beams that read one
// source). A backward needs disjoint segments.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace attune {

class Segments {
 public:
  Segments() = default;  // no sequences

  // Sequences one after another without gaps; lengths may be 0. Throws on a negative length.
  static Segments of_lengths(std::span<const int> lengths);
  // `count` sequences of `length` rows each: the dense [batch, length, ...] layout.
  static Segments equal(int count, int length);
  // Any placement inside a matrix of `rows` rows.
  static Segments at(std::vector<int64_t> begins, std::vector<int> lengths, int64_t rows);

  int count() const { return layout_ ? static_cast<int>(layout_->lengths.size()) : 0; }
  int64_t begin(int i) const { return layout_->begins[static_cast<size_t>(i)]; }
  int length(int i) const { return layout_->lengths[static_cast<size_t>(i)]; }
  int longest() const { return layout_ ? layout_->longest : 0; }
  int64_t rows() const { return layout_ ? layout_->rows : 0; }    // of the matrix, gaps included
  int64_t total() const { return layout_ ? layout_->total : 0; }  // sum of the lengths
  bool packed() const { return !layout_ || layout_->packed; }     // one after another, no gaps
  bool disjoint() const { return !layout_ || layout_->disjoint; }

 private:
  struct Layout {
    std::vector<int64_t> begins;
    std::vector<int> lengths;
    int longest = 0;
    int64_t rows = 0, total = 0;
    bool packed = true, disjoint = true;
  };
  static Segments of(Layout layout);

  std::shared_ptr<const Layout> layout_;  // a value: never changes once made, so copies may share it
};

}  // namespace attune
