// A recurrence as a mixer. Reading its own past: one layer from left to right, y = W_o h. Reading a whole sequence: one
// layer each way, of half the width, y = W_o [h forward; h backward].
#pragma once

#include <vector>

#include "attune/nn/mixer.h"
#include "attune/nn/recurrent.h"

namespace attune {

class RecurrentMixer : public Mixer {
 public:
  // Throws a UsageError for an odd width, unless causal.
  RecurrentMixer(const MixerOptions& options, Cell cell);

  Tensor operator()(const Tensor& x, const Segments& queries, const Tensor& memory, const Segments& keys,
                    const Pass& pass) const override;
  std::unique_ptr<MixerState> begin(int rows) const override;  // causal only
  std::unique_ptr<MixerState> begin(const Tensor& memory, const Segments& keys, std::span<const int> source_of,
                                    const Pass& pass) const override;  // throws: a recurrence reads its own sequence
  Tensor step(const Tensor& x, MixerState& state, const Pass& pass) const override;
  void collect(Parameters& list, const std::string& name) override;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("directions", self.directions_);
    each("output", self.output_);
  }

 private:
  std::vector<RecurrentLayer> directions_;  // forward; backward unless causal
  Linear output_;
};

MixerCost recurrent_mixer_cost(const MixerOptions& options, Cell cell);

}  // namespace attune
