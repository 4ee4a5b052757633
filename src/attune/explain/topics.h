// What surrounds the mechanisms, in numbers: positions, initialisers, what a layer costs.
#pragma once

#include <cstdint>
#include <string>

#include "attune/decode/options.h"
#include "attune/explain/explanation.h"
#include "attune/models/model_directory.h"

namespace attune::explain {

struct PositionsOptions {
  std::string positions = "sinusoidal";
  int length = 6, width = 8, heads = 4, max_positions = 4;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("positions", self.positions,
         "added: sinusoidal, sinusoidal_concatenated or sinusoidal_tensor2tensor; in attention: relative, "
         "relative_offset, rotary, rotary_halves or alibi");
    each("length", self.length, "positions that are shown");
    each("width", self.width, "of the model, of a head for rotary; even");
    each("heads", self.heads, "of alibi");
    each("max-positions", self.max_positions, "of relative_offset: offsets from it on share a number");
  }
};
Explanation explain_positions(const PositionsOptions& options);
Explanation explain_attention_positions(const PositionsOptions& options);  // those of them that stand in attention

struct InitialisersOptions {
  int width = 128, layers = 10, rows = 64;
  uint64_t seed = 1;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("width", self.width, "of every layer");
    each("layers", self.layers, "one on the other, without norms and residual connections");
    each("rows", self.rows, "of random input");
    each("seed", self.seed, "of weights and input");
  }
};
Explanation explain_initialisers(const InitialisersOptions& options);

struct ComplexityOptions {
  int length = 50, width = 512, kernel_width = 3, neighbourhood = 16, heads = 8;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("length", self.length, "n, tokens of a sentence");
    each("width", self.width, "d, of the layer");
    each("kernel-width", self.kernel_width, "k, of the convolution");
    each("neighbourhood", self.neighbourhood, "r, tokens that restricted attention sees");
    each("heads", self.heads, "of the mixers of this program, which stand below the paper's table");
  }
};
void check_options(const ComplexityOptions& options);
// multiply_adds_per_second: of this machine's products, for the times.
Explanation explain_complexity(const ComplexityOptions& options, double multiply_adds_per_second);
double measured_multiply_adds_per_second();  // float32, in about a tenth of a second

// The tree of a beam search, level by level: what each hypothesis could become, and what became of it.
struct BeamOptions {
  std::string sentence;
  SearchOptions search;
  int candidates = 8;  // shown a step
};
Explanation explain_beam(const LoadedModel& model, const BeamOptions& options);

}  // namespace attune::explain
