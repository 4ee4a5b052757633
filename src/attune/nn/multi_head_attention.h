// Multi-head attention (Vaswani 2017, section 3.2.2) as a mixer: queries from x, keys and values from a memory. It may
// hold positions, which makes it one of a sequence with itself; and a norm of what all heads give together, in front of
// the output product, which weights that do not add up to 1 need (Zhang, Titov and Sennrich 2021, section 3). With a
// pattern a query sees the keys alone that it leaves (local, sparse, bigbird).
//
// Decoding its own past it keeps keys and values of what has been read, 2 width float32 numbers a token and row. Under
// a sliding window of w keys, d apart, and g global tokens these are at most g + w d + 130 tokens (GrowingState),
// however many are read.
#pragma once

#include "attune/attention/scaled_dot.h"
#include "attune/nn/attention_positions.h"
#include "attune/nn/linear.h"
#include "attune/nn/mixer.h"
#include "attune/nn/norm.h"

namespace attune {

// What attention's weights are made of.
struct AttendingRows {
  const Tensor &q, &k;  // [rows, heads, depth]
  const Segments &queries, &keys;
};
// Offers a probe, where there is one, weights.0, weights.1, ... of every sequence: [heads, queries, keys].
void offer_weights(const AttendingRows& rows, const attention::Options& options, const Pass& pass);

// Of attention's weights, in training alone.
attention::Dropout dropout_of_weights(double rate, const Pass& pass);

class MultiHeadAttention : public Mixer {
 public:
  explicit MultiHeadAttention(const MixerOptions& options, std::optional<attention::SparsePattern> pattern = {});

  Tensor operator()(const Tensor& x, const Segments& queries, const Tensor& memory, const Segments& keys,
                    const Pass& pass) const override;
  std::unique_ptr<MixerState> begin(int rows) const override;
  std::unique_ptr<MixerState> begin(const Tensor& memory, const Segments& keys, std::span<const int> source_of,
                                    const Pass& pass) const override;
  Tensor step(const Tensor& x, MixerState& state, const Pass& pass) const override;
  void collect(Parameters& list, const std::string& name) override;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("query", self.query_);
    each("key", self.key_);
    each("value", self.value_);
    if (self.norm_.weight) {
      each("norm", self.norm_);
    }
    each("output", self.output_);
    if (self.positions_.table) {
      each("positions", self.positions_);
    }
  }

 private:
  Tensor in_heads(const Tensor& x) const;  // [rows, width] -> [rows, heads, width / heads]
  // The same, turned where positions are rotary.
  Tensor turned(const Tensor& x, const Segments& segments) const;
  attention::Options attention_options(const Pass& pass) const;
  Tensor put_out(const Tensor& mixed, const Pass& pass) const;  // mixed [rows, width] -> the mixer's result

  MixerOptions options_;
  attention::Normaliser normaliser_;
  std::optional<attention::SparsePattern> pattern_;
  Linear query_, key_, value_, output_;
  Norm norm_;  // not given: none
  AttentionPositions positions_;
};

}  // namespace attune
