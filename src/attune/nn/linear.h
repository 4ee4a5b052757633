// A learnt affine map: y = x W^T + b.
#pragma once

#include "attune/autograd/parameters.h"
#include "attune/nn/pass.h"
#include "attune/ops/linear.h"

namespace attune {

struct LinearShape {
  int64_t in = 0, out = 0;
  bool bias = true;
};

struct Linear {
  Linear() = default;
  Linear(const LinearShape& shape, const Initialiser& start) : weight({shape.out, shape.in}, start) {
    if (shape.bias) {
      bias = Parameter({shape.out}, {});
    }
  }

  // x [rows, in] -> [rows, out]; the pass gives compute type and generator.
  Tensor operator()(const Tensor& x, const Pass& pass, LinearOptions options = {}) const {
    options.compute = pass.compute;
    options.rng = pass.dropout;
    return linear(x, weight, bias, options);
  }

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("weight", self.weight);
    if (self.bias) {
      each("bias", self.bias);
    }
  }

  Parameter weight, bias;
};

}  // namespace attune
