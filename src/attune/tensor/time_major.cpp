#include "attune/tensor/time_major.h"

#include <algorithm>
#include <numeric>

#include "attune/base/check.h"

namespace attune {

TimeMajor::TimeMajor(const Segments& segments) {
  check(segments.packed(), "TimeMajor: expected sequences one after another, found gaps or another order");
  check(segments.rows() <= INT32_MAX, "TimeMajor: ", segments.rows(), " rows, expected fewer than 2^31");
  Layout layout;
  layout.order.resize(static_cast<size_t>(segments.count()));
  std::iota(layout.order.begin(), layout.order.end(), 0);
  std::stable_sort(layout.order.begin(), layout.order.end(),
                   [&](int a, int b) { return segments.length(a) > segments.length(b); });
  layout.place.resize(layout.order.size());
  for (size_t place = 0; place < layout.order.size(); ++place) {
    layout.place[static_cast<size_t>(layout.order[place])] = static_cast<int32_t>(place);
    layout.length.push_back(segments.length(layout.order[place]));
  }
  layout.packed_row.reserve(static_cast<size_t>(segments.rows()));
  layout.time_row.resize(static_cast<size_t>(segments.rows()));
  for (int step = 0; step < segments.longest(); ++step) {
    layout.begin.push_back(static_cast<int64_t>(layout.packed_row.size()));
    for (int32_t sequence : layout.order) {
      if (segments.length(sequence) <= step) {
        break;
      }
      const auto packed = static_cast<int32_t>(segments.begin(sequence) + step);
      layout.time_row[static_cast<size_t>(packed)] = static_cast<int32_t>(layout.packed_row.size());
      layout.packed_row.push_back(packed);
    }
    layout.running.push_back(static_cast<int>(static_cast<int64_t>(layout.packed_row.size()) - layout.begin.back()));
  }
  layout_ = std::make_shared<const Layout>(std::move(layout));
}

std::vector<int32_t> TimeMajor::arranged(std::span<const int32_t> of_packed_rows) const {
  std::vector<int32_t> numbers;
  numbers.reserve(layout_->packed_row.size());
  for (const int32_t row : layout_->packed_row) {
    numbers.push_back(of_packed_rows[static_cast<size_t>(row)]);
  }
  return numbers;
}

}  // namespace attune
