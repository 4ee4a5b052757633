// A weight matrix that may be weight-normalised (ops/weight_norm.h), and the affine map with one.
#pragma once

#include "attune/autograd/parameters.h"
#include "attune/nn/pass.h"
#include "attune/ops/linear.h"

namespace attune {

struct Weight {
  Weight() = default;
  // normalised: `start` must be lecun_normal, whose gain is the length that a row is expected to have. The lengths
  // begin at that, not at those of the directions drawn, from which it differs by a few percent: every parameter begins
  // on its own.
  Weight(const Shape& shape, const Initialiser& start, bool normalised);

  // [rows, columns], as products read it. Outside of training a normalised one is made once and kept.
  Tensor operator()() const;
  explicit operator bool() const { return !!direction; }

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    if (self.length) {
      each("weight_v", self.direction);
      each("weight_g", self.length);
    } else {
      each("weight", self.direction);
    }
  }

  Parameter direction;  // the weight itself when it is not normalised
  Parameter length;     // [rows] or not given
};

struct NormalisedLinear {
  NormalisedLinear() = default;
  NormalisedLinear(int64_t in, int64_t out, const Initialiser& start)
      : weight({out, in}, start, true), bias({out}, {}) {}

  // x [rows, in] -> [rows, out]
  Tensor operator()(const Tensor& x, const Pass& pass) const {
    return linear(x, weight(), bias, {.compute = pass.compute});
  }

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    Weight::visit(self.weight, each);
    each("bias", self.bias);
  }

  Weight weight;
  Parameter bias;
};

}  // namespace attune
