// Reformer's attention as a mixer (attention/lsh.h): one product gives queries and keys. Rotations are no parameters:
// they follow from the layer, and in training from the update. So the number of rounds and the length of chunks may
// differ between training and use.
#pragma once

#include "attune/attention/lsh.h"
#include "attune/nn/projected_mixer.h"

namespace attune {

struct HashedPast;

class LshMixer : public ProjectedMixer {
 public:
  explicit LshMixer(const MixerOptions& options);

  // What the last token of the whole sequence so far sees: tokens are sorted anew at each.
  Tensor step(const Tensor& x, MixerState& state, const Pass& pass) const override;

  static MixerCost cost(const MixerOptions& options, int length);

 private:
  Tensor attend(const Rows& rows, const Pass& pass) const override;
  Parts parts(const Rows& of_one) const override;
  std::unique_ptr<MixerState> start(int rows) const override;
  bool hashes(int longest) const { return options_.chunk > 0 && longest > options_.chunk; }  // or all is one chunk
  Tensor rotations(int longest, const Pass& pass) const;
  Tensor buckets(const Rows& rows, const Pass& pass) const;      // not given where all is one chunk
  void update_buckets(const Tensor& q, HashedPast& past) const;  // q: of the tokens that were read last

  attention::LshOptions options_;
  int layer_;
};

}  // namespace attune
