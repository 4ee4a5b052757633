// The whole calculation of a mechanism on a small input: forward, a loss, backward with finite differences, a step
// against the gradient and the loss after it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "attune/explain/calculation.h"
#include "attune/explain/explanation.h"

namespace attune::explain {

struct ExplainOptions {
  std::string mechanism = "scaled_dot", loss = "bce", normaliser = "softmax";
  int width = 0;  // 0: the example's, 4 for a sentence
  int heads = 1;
  bool causal = false, integer_weights = false;
  int states = 2, kernel_width = 3, window = 1;
  double learning_rate = 0.1;
  uint64_t seed = 1;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("mechanism", self.mechanism,
         "what is explained: scaled_dot, mean, rnn, gru, lstm, convolution or spatial_gating; as the attention of a "
         "recurrent decoder additive, dot, general, concat, location, local-m or local-p");
    each("loss", self.loss, "bce (binary cross entropy on a sigmoid), cross-entropy, or none (dY is given, else ones)");
    each("normaliser", self.normaliser, "of scaled_dot: softmax, relu, relu_mean, relu_sum or sigmoid");
    each("width", self.width, "columns of X; 0: 2 in the built-in example, 4 for a sentence");
    each("heads", self.heads, "of scaled_dot; with several there is a product after their concatenation");
    each("causal", self.causal, "a token sees itself and those before it");
    each("integer-weights", self.integer_weights, "draw X and the weights from 0 and 1, to be checked by hand");
    each("states", self.states, "of the decoder, where a recurrent decoder's attention is explained");
    each("kernel-width", self.kernel_width, "of the convolution");
    each("window", self.window, "of local-m and local-p: tokens on each side");
    each("learning-rate", self.learning_rate, "of the gradient step at the end");
    each("seed", self.seed, "of the numbers that are drawn");
  }
};

// Where numbers come from that a trained model gives (model_module.h).
struct GivenModule {
  std::string name;                 // "encoder.layers.0.self_attention"
  std::vector<std::string> pieces;  // of the sentence,
  Tensor embeddings;                // and their embeddings [pieces, width]
  Tensor weights;                   // the attention that the model itself computed [heads, queries, keys]
};

// What the calculation starts from; what is not given is the built-in example's, or drawn.
struct Given {
  std::vector<std::string> tokens = {};               // of the rows of X; empty: the example's
  std::vector<std::string> states = {}, memory = {};  // of the rows of H and of Z; empty: numbers
  Quantities matrices = {};                           // "X", "Wq", ..., "T" the targets, "dY" where there is no loss
  std::string where = {};                             // the file that gave them, for messages
  std::optional<GivenModule> module = {};
};

// Matrices of a .json file ({"X": [[1, 0], ...], "tokens": ["a", ...]}) or a .csv file (blocks of rows, each below a
// line with its name; rows without a name are X). Throws an Error that names the file.
Given read_matrices(const std::string& path);

inline constexpr int longest_explained = 256;  // tokens

// Where a module is given, its own weights must come out, or an Error says what the explanation does not know of.
Explanation explain_mechanism(const ExplainOptions& options, const Given& given);

}  // namespace attune::explain
