// The table of token embeddings; models look ids up in it and scale (Vaswani 2017, section 3.4).
#pragma once

#include "attune/autograd/parameters.h"

namespace attune {

struct Embedding {
  Embedding() = default;
  Embedding(int64_t vocabulary, int64_t width, const Initialiser& start) : weight({vocabulary, width}, start) {}

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("weight", self.weight);
  }

  Parameter weight;  // [vocabulary, width]
};

}  // namespace attune
