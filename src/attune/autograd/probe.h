// A probe receives intermediates by name while a model runs: attention weights, hidden states. Models offer them only
// when one is there, so that looking costs nothing otherwise.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "attune/tensor/tensor.h"

namespace attune {

class Probe {
 public:
  // Names look like "decoder.layers.0.cross_attention.weights"; the tensor is only valid during the call unless copied.
  using Receive = std::function<void(const std::string& name, const Tensor& value)>;
  explicit Probe(Receive receive) : receive_(std::move(receive)) {}
  void offer(const std::string& name, const Tensor& value) const { receive_(name, value); }

 private:
  Receive receive_;
};

}  // namespace attune
