// The rows of packed sequences in the order in which a recurrence reads them: all first tokens, all second tokens, ...
// Sequences are sorted by length, longest first (equal ones keep their order), so that those still running at a step
// are the first ones of the step before, and no finished one is computed. A sequence's rank in that order is its place.
//
//   lengths 2 3      packed rows  a0 a1 b0 b1 b2      time-major rows  b0 a0 | b1 a1 | b2      order  b a
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "attune/tensor/segments.h"

namespace attune {

class TimeMajor {
 public:
  TimeMajor() : TimeMajor(Segments()) {}
  explicit TimeMajor(const Segments& segments);  // throws unless they are packed

  int sequences() const { return static_cast<int>(layout_->order.size()); }
  int steps() const { return static_cast<int>(layout_->running.size()); }  // of the longest sequence
  int64_t rows() const { return static_cast<int64_t>(layout_->packed_row.size()); }
  // At step t the sequences at places 0 ... running(t) - 1 are at rows begin(t) ... begin(t) + running(t) - 1.
  int running(int step) const { return layout_->running[static_cast<size_t>(step)]; }
  int64_t begin(int step) const { return layout_->begin[static_cast<size_t>(step)]; }

  int length(int place) const { return layout_->length[static_cast<size_t>(place)]; }

  std::span<const int32_t> packed_row() const { return layout_->packed_row; }  // of a time-major row
  std::span<const int32_t> time_row() const { return layout_->time_row; }      // of a packed row
  std::span<const int32_t> order() const { return layout_->order; }            // the sequence at a place
  std::span<const int32_t> place() const { return layout_->place; }            // of a sequence

  // Numbers of packed rows, in the order of the time-major ones.
  std::vector<int32_t> arranged(std::span<const int32_t> of_packed_rows) const;

 private:
  struct Layout {
    std::vector<int> running, length;
    std::vector<int64_t> begin;
    std::vector<int32_t> packed_row, time_row, order, place;
  };
  std::shared_ptr<const Layout> layout_;  // a value: never changes once made, so copies may share it
};

}  // namespace attune
