// Attention by feature maps as mixers: linear (attention/linear_attention.h) and performer (attention/performer.h). A
// decoder's past is a state of constant size.
#pragma once

#include "attune/attention/feature_attention.h"
#include "attune/nn/projected_mixer.h"

namespace attune {

class LinearAttentionMixer : public ProjectedMixer {
 public:
  explicit LinearAttentionMixer(const MixerOptions& options);

  Tensor step(const Tensor& x, MixerState& state, const Pass& pass) const override;

  static MixerCost cost(const MixerOptions& options, int length);

 private:
  Tensor attend(const Rows& rows, const Pass& pass) const override;
  std::unique_ptr<MixerState> start(int rows) const override;
  Parts parts(const Rows& of_one) const override;
};

// What a performer's layer draws outside training.
Tensor evaluation_features(const Shape& shape, int layer, DType dtype);

// The features are no parameters: they follow from the layer and, where training draws anew, from the update.
class PerformerMixer : public ProjectedMixer {
 public:
  explicit PerformerMixer(const MixerOptions& options);

  Tensor step(const Tensor& x, MixerState& state, const Pass& pass) const override;

  static MixerCost cost(const MixerOptions& options, int length);

 private:
  Tensor attend(const Rows& rows, const Pass& pass) const override;
  std::unique_ptr<MixerState> start(int rows) const override;
  Parts parts(const Rows& of_one) const override;
  Tensor features(const Pass& pass, DType dtype) const;

  PerformerForm form_;
  int layer_;
  attention::PerformerOptions options_;
};

}  // namespace attune
