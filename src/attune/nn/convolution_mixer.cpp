#include "attune/nn/convolution_mixer.h"

namespace attune {

ConvolutionMixer::ConvolutionMixer(const MixerOptions& options)
    : convolution_({.in = options.width,
                    .out = options.width,
                    .kernel_width = options.kernel_width,
                    .causal = options.causal,
                    .biases = options.biases,
                    .initialiser = options.initialiser}) {}

Tensor ConvolutionMixer::operator()(const Tensor& x, const Segments& queries, const Tensor&, const Segments&,
                                    const Pass& pass) const {
  return convolution_(x, queries, pass);
}

std::unique_ptr<MixerState> ConvolutionMixer::begin(int rows) const {
  return std::make_unique<PastInputs>(rows, convolution_.options.kernel_width);
}

std::unique_ptr<MixerState> ConvolutionMixer::begin(const Tensor&, const Segments&, std::span<const int>,
                                                    const Pass&) const {
  fail("the mixer convolution mixes its own sequence, it cannot read another one");
}

Tensor ConvolutionMixer::step(const Tensor& x, MixerState& state, const Pass& pass) const {
  return convolution_.step(x, dynamic_cast<PastInputs&>(state), pass);
}

void ConvolutionMixer::collect(Parameters& list, const std::string& name) {
  detail::collect(list, name, convolution_);
}

}  // namespace attune
