// Scaled dot-product attention (Vaswani 2017, section 3.2.1): out_i = sum_j P_ij v_j, P = normalise(scale q k^T +
// bias). scaled_dot_definition is the equation in plain loops, per sequence and head, in the tensors' own type;
// scaled_dot computes the same in one pass over blocks of keys, without ever holding a row of weights.
#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <variant>

#include "attune/attention/sparse_pattern.h"
#include "attune/base/rng.h"
#include "attune/tensor/segments.h"
#include "attune/tensor/tensor.h"

namespace attune::attention {

// relu_mean: ReLU(s) divided by the number of visible keys (Wortsman 2023); relu_sum: divided by the row's sum + 1e-6.
enum class Normaliser : uint8_t { softmax, relu, relu_mean, relu_sum, sigmoid };
std::string_view name_of(Normaliser normaliser);
Normaliser normaliser_of_name(std::string_view name);  // throws and lists the known names

struct Mask {                                 // members combine with AND
  bool causal = false;                        // aligned at the end: the last query sees the last key
  std::optional<int> left = {}, right = {};   // inclusive reach around the aligned diagonal; 0 = itself only
  Tensor allowed = {};                        // boolean, [heads or 1, longest query, longest key]
  std::optional<SparsePattern> pattern = {};  // what it hides costs nothing: its blocks are not visited
};

struct DenseBias {
  Tensor value;  // [heads or 1, longest query, longest key], added to the scaled scores; -inf hides the key, as a mask
};
struct Slopes {
  Tensor value;  // ALiBi (Press 2021), [heads]: bias -slope * |i - j| with i aligned at the end
};
struct Buckets {  // T5 (Raffel 2020): bias value[head, bucket(j - i)] with i aligned at the end
  Tensor value;   // [heads, buckets]
  int max_distance = 128;
  bool bidirectional = true;
};
// A number per offset: bias value[head, j - i + n - 1], or value[head, i - j], with i aligned at the end. Offsets
// beyond the table share its last number, clipped as in Shaw 2018.
struct Offsets {
  Tensor value;  // [heads, 2 n - 1], or [heads, n] where no query sees a key behind itself
  bool bidirectional = true;
};
using Bias = std::variant<std::monostate, DenseBias, Slopes, Buckets, Offsets>;  // each with its gradient

struct Dropout {  // acts on the normalised weights, only when rng is set
  double rate = 0;
  std::optional<Rng> rng = {};
};

struct Options {
  std::optional<double> scale = {};  // 1/sqrt(head_dim) unless given
  Mask mask = {};
  Bias bias = {};
  double softcap = 0;  // s <- softcap tanh(s / softcap), before the mask; 0 = none
  Normaliser normaliser = Normaliser::softmax;
  Dropout dropout = {};  // keyed by (rng, sequence, head, i, j): the same under any tiling
};

struct Attended {
  Tensor out;          // [Nq, Hq, Dv]
  Tensor log_sum_exp;  // [Nq, Hq], softmax only; -inf for a row without visible keys (its out is 0)
};

// q [Nq, Hq, D], k [Nk, Hkv, D], v [Nk, Hkv, Dv]; Hkv divides Hq; queries and keys have equally many sequences. The
// inputs may be strided views. float32 or bfloat16 (products summed in float32; biases and log-sum-exp are float32),
// fused, with memory for a few numbers per row besides the outputs; float64 goes to the definition. Keys may coincide
// or leave gaps; a backward needs disjoint ones. NaN and Inf in hidden keys and values reach nothing. A query's row has
// the same bits whatever else is in the batch, however many queries of its sequence come with it, and with any number
// of threads.
Attended scaled_dot(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& queries, const Segments& keys,
                    const Options& options = {});

Attended scaled_dot_definition(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& queries,
                               const Segments& keys, const Options& options = {});

// The definition's weights of one sequence, before dropout: [heads, its queries, its keys] of the chosen `heads`, all
// if none is named. What inspection shows; scaled_dot knows nothing of it, so that no output's bit depends on it.
Tensor scaled_dot_weights(const Tensor& q, const Tensor& k, const Segments& queries, const Segments& keys, int sequence,
                          const Options& options = {}, std::span<const int> heads = {});

}  // namespace attune::attention
