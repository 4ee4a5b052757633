// Longformer's attention as a mixer that sees a whole sequence (attention/longformer.h): a sliding window, and the
// sequence's first tokens as global ones, for which queries, keys and values have maps of their own, which begin with
// the values of the others (Beltagy 2020, section 3.1).
#pragma once

#include "attune/nn/projected_mixer.h"

namespace attune {

class LongformerMixer : public ProjectedMixer {
 public:
  explicit LongformerMixer(const MixerOptions& options);

  void collect(Parameters& list, const std::string& name) override;

 private:
  Tensor attend(const Rows& rows, const Pass& pass) const override;
  bool has_one_value_each() const override { return false; }  // global queries mix others

  attention::SparsePattern pattern_;
  double dropout_;
  Linear global_query_, global_key_, global_value_;
};

}  // namespace attune
