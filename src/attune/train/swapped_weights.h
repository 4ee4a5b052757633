// Other weights in a network for a while: a moving average's during a validation.
#pragma once

#include "attune/autograd/parameters.h"

namespace attune {

// While it lives, the parameters hold another flat buffer's elements, and that buffer theirs.
class SwappedWeights {
 public:
  SwappedWeights(Parameters& parameters, Tensor& other);
  ~SwappedWeights();
  SwappedWeights(const SwappedWeights&) = delete;
  SwappedWeights& operator=(const SwappedWeights&) = delete;

 private:
  Parameters& parameters_;
  Tensor& other_;
};

}  // namespace attune
