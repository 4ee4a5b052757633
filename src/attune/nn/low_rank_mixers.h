// Attention that stands for n keys by few, as mixers without a causal form: linformer (attention/linformer.h), whose
// keys and values are projected along the sequence, and nystrom (attention/nystrom.h), which reads by landmarks.
#pragma once

#include <memory>

#include "attune/nn/projected_mixer.h"

namespace attune {

class LinformerMixer : public ProjectedMixer {
 public:
  explicit LinformerMixer(const MixerOptions& options);

  void share_with(const Mixer& first) override;
  void collect(Parameters& list, const std::string& name) override;

  static MixerCost cost(const MixerOptions& options, int length);

 private:
  // E and F, [heads or 1, k, n]; F not given where both are one.
  struct Projections {
    template <class Self, class Each>
    static void visit(Self& self, Each&& each) {
      each("key", self.key);
      if (self.value) {
        each("value", self.value);
      }
    }
    Parameter key, value;
  };

  Tensor attend(const Rows& rows, const Pass& pass) const override;
  Parts parts(const Rows& of_one) const override;

  double dropout_;
  ProjectionSharing sharing_;
  std::shared_ptr<Projections> projections_;
  bool owned_ = true;  // false: they are the first layer's parameters
};

class NystromMixer : public ProjectedMixer {
 public:
  explicit NystromMixer(const MixerOptions& options);

  void collect(Parameters& list, const std::string& name) override;

  static MixerCost cost(const MixerOptions& options, int length);

 private:
  Tensor attend(const Rows& rows, const Pass& pass) const override;
  Parts parts(const Rows& of_one) const override;

  NystromForm form_;
  Parameter convolution_;  // [heads, taps], not given without taps
};

// Throws a UsageError that names the config key.
void check_nystrom(const MixerOptions& options);

}  // namespace attune
