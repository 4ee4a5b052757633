// The inside of a gMLP block as a mixer (Liu et al. 2021): Z = gelu(x U + b_U), the spatial gating unit, V. GELU is
// x Phi(x) with erf, as in the implementations whose parameter counts are the paper's. It mixes channels too, so that
// no feed-forward layer follows. aMLP's tiny attention reads the same x; what it gives is added to the gate.
#pragma once

#include "attune/attention/spatial_gating.h"
#include "attune/nn/linear.h"
#include "attune/nn/mixer.h"
#include "attune/nn/norm.h"

namespace attune {

// Queries, keys and values by one map, few heads, and a map to the gate's channels.
struct TinyAttention {
  TinyAttention() = default;
  TinyAttention(const MixerOptions& options, int64_t channels);

  Tensor operator()(const Tensor& x, const Segments& segments, const Pass& pass) const;
  // The next token of every row; keeps keys and values in `past`, a GrowingState.
  Tensor step(const Tensor& x, MixerState& past, const Pass& pass) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("query_key_value", self.joined);
    each("output", self.output);
  }

  Linear joined, output;
  int64_t width = 0, heads = 1;
  bool causal = false;
  double dropout = 0;  // on the weights
};

class SpatialGatingMixer : public Mixer {
 public:
  explicit SpatialGatingMixer(const MixerOptions& options);

  Tensor operator()(const Tensor& x, const Segments& queries, const Tensor& memory, const Segments& keys,
                    const Pass& pass) const override;
  std::unique_ptr<MixerState> begin(int rows) const override;
  std::unique_ptr<MixerState> begin(const Tensor& memory, const Segments& keys, std::span<const int> source_of,
                                    const Pass& pass) const override;  // throws: it mixes its own sequence only
  Tensor step(const Tensor& x, MixerState& state, const Pass& pass) const override;
  void collect(Parameters& list, const std::string& name) override;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("first", self.first_);
    each("gate_norm", self.norm_);
    each("spatial", self.spatial_);
    if (self.attention_.width > 0) {
      each("tiny_attention", self.attention_);
    }
    each("second", self.second_);
  }

 private:
  // W and b of attention/spatial_gating.h
  struct Spatial {
    template <class Self, class Each>
    static void visit(Self& self, Each&& each) {
      each("weight", self.weight);
      each("bias", self.bias);
    }
    Parameter weight, bias;
  };

  Tensor inner(const Tensor& x, const Pass& pass) const;
  attention::SpatialGatingInputs inputs(const Tensor& z, const Tensor& addend) const;

  double dropout_;
  attention::SpatialGatingOptions gating_;
  Linear first_, second_;
  Norm norm_;
  Spatial spatial_;
  TinyAttention attention_;
};

// Throws a UsageError that names the config key.
void check_spatial_gating(const MixerOptions& options);

MixerCost spatial_gating_cost(const MixerOptions& options, int length);

}  // namespace attune
