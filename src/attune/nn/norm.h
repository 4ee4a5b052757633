// Layer or root-mean-square normalisation with learnt scale (and shift), chosen by a config word.
#pragma once

#include <string_view>

#include "attune/autograd/parameters.h"
#include "attune/ops/layer_norm.h"
#include "attune/ops/rms_norm.h"

namespace attune {

enum class NormKind : uint8_t { layer_norm, rms_norm };
NormKind norm_kind_of_name(std::string_view name);  // throws and lists the known names

struct Norm {
  Norm() = default;
  Norm(int64_t width, NormKind form, const NormOptions& settings)
      : weight({width}, {Initialiser::Kind::constant, 1.0}), options(settings) {
    if (form == NormKind::layer_norm) {
      bias = Parameter({width}, {});
    }
  }

  // result: bfloat16 where only products read it and they compute in that.
  Tensor operator()(const Tensor& x, DType result = DType::float32) const {
    const NormOptions with{options.epsilon, result};
    return bias ? layer_norm(x, weight, bias, with) : rms_norm(x, weight, with);
  }

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("weight", self.weight);
    if (self.bias) {
      each("bias", self.bias);
    }
  }

  Parameter weight, bias;
  NormOptions options;
};

}  // namespace attune
