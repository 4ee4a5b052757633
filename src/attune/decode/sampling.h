// Which piece comes next: drawn from the softmax of logits / temperature, cut to the most probable ones: the first
// top_k (Fan 2018), and of these the fewest whose probabilities, renormalised, reach top_p (nucleus sampling, Holtzman
// 2020). Keys of the config file and flags of the command line, listed once, in visit(), with their help.
#pragma once

#include <cstdint>
#include <span>

#include "attune/tensor/tensor.h"

namespace attune {

struct SamplingOptions {
  double temperature = 1;
  int top_k = 0;
  double top_p = 1;
  uint64_t seed = 1;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("temperature", self.temperature,
         "what logits are divided by: below 1 the probable becomes more probable; 0: always the most probable piece");
    each("top-k", self.top_k, "draw from the so many most probable pieces alone; 0: from all");
    each("top-p", self.top_p, "draw from the fewest pieces whose probabilities reach this sum; 1: from all");
    each("seed", self.seed, "equal seeds give equal texts, whatever the number of threads");
  }
};

// Throws a UsageError naming the key, what was expected and what came.
void check_options(const SamplingOptions& options);

// logits [1, vocabulary]; the ids in `never` are left out. `draw`: in [0, 1), decides among those that are left, the
// most probable first. Throws when a logit is NaN or infinite, or when nothing is left.
int sample(const Tensor& logits, const SamplingOptions& options, std::span<const int> never, double draw);

}  // namespace attune
