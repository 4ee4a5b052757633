// What the decoders share that attend to recurrent states: which sequences of a batch run at each step, what they read,
// and what a probe is shown.
#pragma once

#include <span>
#include <vector>

#include "attune/data/batches.h"
#include "attune/nn/pass.h"
#include "attune/tensor/time_major.h"

namespace attune {

// The steps of a batch's targets, the sequences in the order of `targets`, their sources beside them.
class TargetSteps {
 public:
  explicit TargetSteps(const Batch& batch);

  int count() const { return targets.steps(); }
  Segments queries(int step) const { return Segments::equal(targets.running(step), 1); }
  // What was fed, in time-major rows.
  const std::vector<int32_t>& input() const { return input_; }

  TimeMajor targets;
  Segments sources;  // by place

 private:
  std::vector<int32_t> input_;
};

// Which source each row being decoded reads.
class RowSources {
 public:
  RowSources(const Segments& encoded, std::span<const int> source_of);
  int rows() const { return static_cast<int>(source_of_.size()); }
  const Segments& segments() const { return segments_; }  // sequence i is the source of row i
  void reorder(std::span<const int> from);

 private:
  void lay_out();

  Segments encoded_, segments_;
  std::vector<int> source_of_;
};

// The first `count` rows of x.
Tensor first_rows(const Tensor& x, int64_t count);

// x [rows, columns] cut into the rows of each step.
std::vector<Tensor> rows_of_steps(const Tensor& x, const TimeMajor& order);

// The pass of the decoder's only attention, under which a probe sees it: decoder.layers.0.cross_attention.
Pass looking(const Pass& decoder);

// Offers what every sequence looked at as "decoder.layers.0.cross_attention.weights.SEQUENCE", [1, targets, sources].
// weights [target tokens, at least the longest source] and packed like the targets; pass: the decoder's.
void offer_weights(const Tensor& weights, const Batch& batch, const Pass& pass);

}  // namespace attune
