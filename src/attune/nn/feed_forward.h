// The position-wise feed-forward layer: W2 dropout(activation(W1 x)), or gated W2 (W1 x * activation(V x)) (Shazeer
// 2020).
#pragma once

#include "attune/autograd/replay.h"
#include "attune/base/profile.h"
#include "attune/nn/linear.h"
#include "attune/ops/activation.h"

namespace attune {

struct FeedForwardOptions {
  int64_t width = 0, inner = 0;
  Activation activation = Activation::relu;
  bool gated = false;
  bool biases = true;
  double dropout = 0;  // on the inner activations
  Initialiser initialiser = {Initialiser::Kind::xavier_uniform, 0};
  // Rows whose inner activations are in memory at once (Kitaev 2020, section 3); 0: all. Results have the same bits,
  // the same dropout included; weights' gradients are the same to rounding. chunk * inner must be even: dropout draws
  // pairs.
  int64_t chunk = 0;
};

struct FeedForward {
  FeedForward() = default;
  explicit FeedForward(const FeedForwardOptions& settings)
      : first({settings.width, settings.gated ? 2 * settings.inner : settings.inner, settings.biases},
              settings.initialiser),
        second({settings.inner, settings.width, settings.biases}, settings.initialiser),
        options(settings) {}

  Tensor operator()(const Tensor& x, const Pass& pass) const {
    const ProfileScope scope("feed_forward");
    return by_chunks("feed_forward", x, options.chunk, first.weight, [this, pass](const Tensor& rows, int64_t begin) {
      Pass here = pass;
      if (here.dropout) {
        here.dropout = here.dropout->from(static_cast<uint64_t>(begin * options.inner / 2));
      }
      return of_rows(rows, here);
    });
  }

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("first", self.first);
    each("second", self.second);
  }

  Linear first, second;
  FeedForwardOptions options;

 private:
  Tensor of_rows(const Tensor& x, const Pass& pass) const {
    if (options.gated) {
      return second(drop(glu(first(x, pass), options.activation), options.dropout, pass), pass);
    }
    const LinearOptions inner{.result = pass.compute, .activation = options.activation, .dropout = options.dropout};
    return second(first(x, pass, inner), pass);
  }
};

}  // namespace attune
