// The gated convolution of ConvS2S (Gehring 2017, section 3.2; Dauphin 2017): dropout on the input, a convolution to
// twice the channels, and a gated linear unit, a * sigmoid(b); around it a residual connection whose sum is multiplied
// by sqrt(0.5) to keep its variance.
#pragma once

#include <vector>

#include "attune/nn/mixer.h"
#include "attune/nn/normalised_weight.h"
#include "attune/tensor/segments.h"

namespace attune {

struct GatedConvolutionOptions {
  int64_t in = 0, out = 0;
  int kernel_width = 3;
  bool causal = false;
  bool biases = true;
  bool weight_norm = false;  // the initialiser must then be lecun_normal
  double dropout = 0;        // on the input
  Initialiser initialiser = {Initialiser::Kind::lecun_normal, 2};
};

// What a causal convolution remembers of the rows (hypotheses) being decoded: their last inputs.
class PastInputs : public MixerState {
 public:
  PastInputs(int rows, int kernel_width) : rows_(rows), kernel_width_(kernel_width) {}

  void reorder(std::span<const int> from) override;
  // x [rows, in], what each row has read next -> [rows, kernel_width * in], the last inputs side by side, oldest first,
  // zeros before the first. Valid until the next call.
  const Tensor& append(const Tensor& x);

 private:
  int64_t rows_, kernel_width_;
  Tensor window_;  // not given before the first token
};

struct GatedConvolution {
  GatedConvolution() = default;
  explicit GatedConvolution(const GatedConvolutionOptions& settings);

  // x [rows, in] -> [rows, out], without the residual
  Tensor operator()(const Tensor& x, const Segments& segments, const Pass& pass) const;
  // The next token of every row; causal only.
  Tensor step(const Tensor& x, PastInputs& past, const Pass& pass) const;
  // (x + y) sqrt(0.5), x projected when it has another width.
  Tensor with_residual(const Tensor& x, const Tensor& y, const Pass& pass) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    Weight::visit(self.weight, each);
    if (self.bias) {
      each("bias", self.bias);
    }
    if (self.projection.weight) {
      each("projection", self.projection);
    }
  }

  GatedConvolutionOptions options;
  Weight weight;  // [2 out, kernel_width * in]
  Parameter bias;
  NormalisedLinear projection;  // given where in and out differ
};

}  // namespace attune
