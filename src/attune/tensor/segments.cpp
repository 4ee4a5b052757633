#include "attune/tensor/segments.h"

#include <algorithm>
#include <numeric>

#include "attune/base/check.h"

namespace attune {

Segments Segments::of(Layout layout) {
  int64_t next = 0;
  for (size_t i = 0; i < layout.lengths.size(); ++i) {
    check(layout.lengths[i] >= 0, "Segments: sequence ", i, " has length ", layout.lengths[i], ", expected 0 or more");
    check(layout.begins[i] >= 0 && layout.begins[i] + layout.lengths[i] <= layout.rows, "Segments: sequence ", i,
          " ends at row ", layout.begins[i] + layout.lengths[i], " of a matrix with ", layout.rows, " rows");
    layout.longest = std::max(layout.longest, layout.lengths[i]);
    layout.total += layout.lengths[i];
    layout.packed = layout.packed && layout.begins[i] == next;
    next = layout.begins[i] + layout.lengths[i];
  }
  layout.packed = layout.packed && next == layout.rows;
  if (!layout.packed) {
    std::vector<size_t> order(layout.begins.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return layout.begins[a] < layout.begins[b]; });
    int64_t end = 0;
    for (size_t i : order) {
      if (layout.lengths[i] == 0) {
        continue;
      }
      layout.disjoint = layout.disjoint && layout.begins[i] >= end;
      end = std::max(end, layout.begins[i] + layout.lengths[i]);
    }
  }
  Segments result;
  result.layout_ = std::make_shared<const Layout>(std::move(layout));
  return result;
}

Segments Segments::of_lengths(std::span<const int> lengths) {
  Layout layout;
  layout.lengths.assign(lengths.begin(), lengths.end());
  for (int length : lengths) {
    layout.begins.push_back(layout.rows);
    layout.rows += std::max(length, 0);
  }
  return of(std::move(layout));
}

Segments Segments::equal(int count, int length) {
  return of_lengths(std::vector<int>(static_cast<size_t>(count), length));
}

Segments Segments::at(std::vector<int64_t> begins, std::vector<int> lengths, int64_t rows) {
  check(begins.size() == lengths.size(), "Segments: ", begins.size(), " begins but ", lengths.size(), " lengths");
  Layout layout;
  layout.begins = std::move(begins);
  layout.lengths = std::move(lengths);
  layout.rows = rows;
  return of(std::move(layout));
}

}  // namespace attune
