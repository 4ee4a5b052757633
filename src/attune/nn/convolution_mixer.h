// A gated convolution as a mixer: each token sees the kernel's width of tokens around it (causal: itself and those
// before it).
#pragma once

#include "attune/nn/gated_convolution.h"
#include "attune/nn/mixer.h"

namespace attune {

class ConvolutionMixer : public Mixer {
 public:
  explicit ConvolutionMixer(const MixerOptions& options);

  Tensor operator()(const Tensor& x, const Segments& queries, const Tensor& memory, const Segments& keys,
                    const Pass& pass) const override;
  std::unique_ptr<MixerState> begin(int rows) const override;
  std::unique_ptr<MixerState> begin(const Tensor& memory, const Segments& keys, std::span<const int> source_of,
                                    const Pass& pass) const override;  // throws: it mixes its own sequence only
  Tensor step(const Tensor& x, MixerState& state, const Pass& pass) const override;
  void collect(Parameters& list, const std::string& name) override;

 private:
  GatedConvolution convolution_;
};

}  // namespace attune
