#include "attune/nn/mean_mixer.h"

#include <vector>

#include "attune/ops/embedding.h"
#include "attune/ops/segment_reduce.h"

namespace attune {

namespace {

struct MeanState : MixerState {
  Tensor mixed;  // [sources, width]
  std::vector<int32_t> source_of;

  void reorder(std::span<const int> from) override {
    std::vector<int32_t> moved;
    for (int row : from) {
      moved.push_back(source_of[static_cast<size_t>(row)]);
    }
    source_of = std::move(moved);
  }
};

}  // namespace

MeanMixer::MeanMixer(const MixerOptions& options)
    : value_({options.width, options.width, options.biases}, options.initialiser),
      output_({options.width, options.width, options.biases}, options.initialiser) {}

Tensor MeanMixer::operator()(const Tensor&, const Segments& queries, const Tensor& memory, const Segments& keys,
                             const Pass& pass) const {
  const Tensor means = output_(segment_mean(value_(memory, pass), keys), pass);
  std::vector<int32_t> sequence(static_cast<size_t>(queries.rows()));
  for (int s = 0; s < queries.count(); ++s) {
    std::fill_n(sequence.begin() + queries.begin(s), queries.length(s), s);
    if (pass.probe != nullptr) {
      pass.offer("weights." + std::to_string(s),
                 Tensor::full({1, queries.length(s), keys.length(s)}, 1.0 / std::max(1, keys.length(s))));
    }
  }
  return embedding(means, sequence);
}

std::unique_ptr<MixerState> MeanMixer::begin(int) const {
  fail("the mixer mean has no causal form");
}

std::unique_ptr<MixerState> MeanMixer::begin(const Tensor& memory, const Segments& keys, std::span<const int> source_of,
                                             const Pass& pass) const {
  auto state = std::make_unique<MeanState>();
  state->mixed = output_(segment_mean(value_(memory, pass), keys), pass);
  state->source_of.assign(source_of.begin(), source_of.end());
  return state;
}

Tensor MeanMixer::step(const Tensor&, MixerState& state, const Pass&) const {
  const auto& mean = dynamic_cast<MeanState&>(state);
  return embedding(mean.mixed, mean.source_of);
}

void MeanMixer::collect(Parameters& list, const std::string& name) {
  detail::collect(list, name + ".value", value_);
  detail::collect(list, name + ".output", output_);
}

}  // namespace attune
