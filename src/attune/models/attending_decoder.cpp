#include "attune/models/attending_decoder.h"

#include <array>

#include "attune/ops/concat.h"

namespace attune {

namespace {

template <class Index>
Segments chosen(const Segments& segments, std::span<const Index> which) {
  std::vector<int64_t> begins;
  std::vector<int> lengths;
  for (const Index i : which) {
    begins.push_back(segments.begin(i));
    lengths.push_back(segments.length(i));
  }
  return Segments::at(std::move(begins), std::move(lengths), segments.rows());
}

}  // namespace

RowSources::RowSources(const Segments& encoded, std::span<const int> source_of)
    : encoded_(encoded), source_of_(source_of.begin(), source_of.end()) {
  lay_out();
}

void RowSources::reorder(std::span<const int> from) {
  std::vector<int> moved;
  for (const int row : from) moved.push_back(source_of_[static_cast<size_t>(row)]);
  source_of_ = std::move(moved);
  lay_out();
}

void RowSources::lay_out() {
  segments_ = chosen<int>(encoded_, source_of_);
}

TargetSteps::TargetSteps(const Batch& batch)
    : targets(batch.targets),
      sources(chosen(batch.sources, targets.order())),
      input_(targets.arranged(batch.target_input)) {}

Tensor first_rows(const Tensor& x, int64_t count) {
  return count == x.size(0) ? x : split(x, std::array{count, x.size(0) - count}, Along::rows)[0];
}

std::vector<Tensor> rows_of_steps(const Tensor& x, const TimeMajor& order) {
  std::vector<int64_t> sizes;
  for (int t = 0; t < order.steps(); ++t) sizes.push_back(order.running(t));
  return split(x, sizes, Along::rows);
}

Pass looking(const Pass& decoder) {
  return decoder.within("layers").within(0).within("cross_attention");
}

void offer_weights(const Tensor& weights, const Batch& batch, const Pass& pass) {
  const Pass at = looking(pass);
  for (int s = 0; s < batch.count(); ++s) {
    const int64_t rows = batch.targets.length(s), columns = batch.sources.length(s);
    const Tensor of = weights.rows_view(batch.targets.begin(s), rows).columns_view(0, columns).compact();
    at.offer("weights." + std::to_string(s), of.viewed({1, rows, columns}));
  }
}

}  // namespace attune
