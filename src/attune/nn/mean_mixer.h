// What is left of attention when every key counts the same: every query gets W_o (mean_j W_v m_j). The yardstick that
// shows what attention is good for.
#pragma once

#include "attune/nn/linear.h"
#include "attune/nn/mixer.h"

namespace attune {

class MeanMixer : public Mixer {
 public:
  explicit MeanMixer(const MixerOptions& options);

  Tensor operator()(const Tensor& x, const Segments& queries, const Tensor& memory, const Segments& keys,
                    const Pass& pass) const override;
  std::unique_ptr<MixerState> begin(int rows) const override;  // throws: the mean has no causal form
  std::unique_ptr<MixerState> begin(const Tensor& memory, const Segments& keys, std::span<const int> source_of,
                                    const Pass& pass) const override;
  Tensor step(const Tensor& x, MixerState& state, const Pass& pass) const override;
  void collect(Parameters& list, const std::string& name) override;

 private:
  Linear value_, output_;
};

}  // namespace attune
