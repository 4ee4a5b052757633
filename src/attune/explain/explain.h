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
  int heads = 0;  // 0: 1, or as few as the mechanism needs
  bool causal = false, integer_weights = false;
  int states = 2, kernel_width = 3;
  int window = 0;  // 0: 1 of local-m and local-p, 2 of local
  std::string dilation = {};
  int global_tokens = 1;
  std::string sparse_pattern = "strided";
  int stride = 3, summary = 1;
  int block = 1, window_blocks = 3, global_blocks = 1, random_blocks = 1;
  int lsh_hashes = 2, lsh_chunk = 2;
  bool lsh_sees_itself = false;
  int projected_length = 3, features = 8, landmarks = 3, landmark_rounds = 6, value_kernel = 0;
  std::string feature_kernel = "exponential";
  double learning_rate = 0.1;
  uint64_t seed = 1;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each(
        "mechanism", self.mechanism,
        "what is explained: scaled_dot, mean, rnn, gru, lstm, convolution, spatial_gating, local, sparse, "
        "bigbird, lsh, linear, performer, linformer or nystrom; as the attention of a recurrent decoder additive, dot, "
        "general, concat, location, local-m or local-p");
    each("loss", self.loss, "bce (binary cross entropy on a sigmoid), cross-entropy, or none (dY is given, else ones)");
    each("normaliser", self.normaliser,
         "of scaled_dot, local, sparse and bigbird: softmax, relu, relu_mean, relu_sum or sigmoid");
    each("width", self.width, "columns of X; 0: 2 in the built-in example, 4 for a sentence");
    each("heads", self.heads,
         "of scaled_dot, local, sparse (at least 2) and bigbird; with several there is a product after their "
         "concatenation; 0: as few as there can be");
    each("causal", self.causal, "a token sees itself and those before it");
    each("integer-weights", self.integer_weights, "draw X and the weights from 0 and 1, to be checked by hand");
    each("states", self.states, "of the decoder, where a recurrent decoder's attention is explained");
    each("kernel-width", self.kernel_width, "of the convolution");
    each("window", self.window,
         "of local-m and local-p: tokens on each side (0: 1); of local: on both sides together (0: 2)");
    each("dilation", self.dilation,
         "of local: how far apart its window's tokens are: a number, or one for each head, as 1,2; empty: 1");
    each("global-tokens", self.global_tokens,
         "of local, and of bigbird without global blocks: the first ones see and are seen by all; in local with "
         "projections of their own unless causal");
    each("sparse-pattern", self.sparse_pattern, "strided or fixed");
    each("stride", self.stride, "of sparse: l");
    each("summary", self.summary, "of sparse, fixed: the tokens at the end of each stretch that later ones see");
    each("block", self.block, "of bigbird: tokens in a block");
    each("window-blocks", self.window_blocks, "of bigbird: blocks around a token's own, which counts too; odd");
    each("global-blocks", self.global_blocks, "of bigbird: half of them at each end");
    each("random-blocks", self.random_blocks, "of bigbird: drawn for each block of queries");
    each("lsh-hashes", self.lsh_hashes, "of lsh: rounds of hashing");
    each("lsh-chunk", self.lsh_chunk, "of lsh: tokens that are sorted into one chunk; 0: all");
    each("lsh-sees-itself", self.lsh_sees_itself,
         "of lsh: a token sees itself as any other; false: only where it sees nothing else");
    each("projected-length", self.projected_length, "of linformer: keys and values after the projection");
    each("features", self.features, "of performer: random ones");
    each("feature-kernel", self.feature_kernel, "of performer: exponential or relu");
    each("landmarks", self.landmarks, "of nystrom");
    each("landmark-rounds", self.landmark_rounds, "of nystrom's inverse");
    each("value-kernel", self.value_kernel, "of nystrom: taps of the convolution of its values, odd; 0: none");
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
