// The spatial gating unit of gMLP (Liu et al. 2021, section 3): tokens are mixed by a learnt matrix that does not
// depend on them, and what comes of it gates. With N = LN(B) over the channels of the gate's half B of Z = (A, B),
//   G_i = sum_j W_ij N_j + b_i + E_i,   S = A * G
// W [n, n] and b [n] serve every channel; E, if there is one, is a tiny attention's (aMLP). No activation follows. The
// forms without a split (the paper's ablation) take all of Z for B.
//
// A sequence shorter than n takes the leading part of W and b. Whoever learns Toeplitz weights learns W_ij = w_(j-i).
#pragma once

#include <string_view>

#include "attune/tensor/segments.h"
#include "attune/tensor/tensor.h"

namespace attune::attention {

// S = A * G;  Z * G;  Z + G;  G
enum class Gate : uint8_t { split, multiplicative, additive, linear };

// Throws a UsageError that names the key and lists the known words.
Gate gate_of_name(std::string_view name, std::string_view key);

// Columns of N, G and S where Z has so many.
constexpr int64_t gate_channels(Gate gate, int64_t channels) {
  return gate == Gate::split ? channels / 2 : channels;
}

struct SpatialGatingInputs {
  Tensor z;                       // [rows, channels]; an even number of channels to split
  Tensor norm_weight, norm_bias;  // of LN [gate's channels]
  Tensor weight;                  // W [heads, n, n], or w [heads, 2n - 1] from offset 1-n on; heads share the channels
  Tensor bias;                    // b [heads, n]
  Tensor addend = {};             // E [rows, gate's channels] or not given
};

struct SpatialGatingOptions {
  Gate gate = Gate::split;
  bool causal = false;             // W below and on its diagonal alone
  double epsilon = 1e-5;           // of LN, added to the variance
  DType compute = DType::float32;  // bfloat16: operands of products rounded, sums in float32 (float32 tensors only)
  DType result = DType::float32;   // bfloat16 (when computing in it): S is rounded, as products read it
};

// [rows, gate's channels]. All tensors are float32, or float64 (the definition). Throws an Error for a sequence longer
// than n. A sequence's rows have the same bits whatever else is in the batch and with any number of threads.
Tensor spatial_gating(const SpatialGatingInputs& inputs, const Segments& segments,
                      const SpatialGatingOptions& options = {});

// ---- The next token of every row, causal, without a gradient, float32
// ------------------------------------------------

// N of these rows: what a step keeps of its token. [rows, gate's channels]
Tensor normalised_gate(const SpatialGatingInputs& inputs, const SpatialGatingOptions& options);

// inputs: of the tokens at `position`, one a row. Sequence i of `past` in `gates` [rows, gate's channels] is N of row i
// from its first token to this one.
Tensor spatial_gating_step(const SpatialGatingInputs& inputs, const Tensor& gates, const Segments& past,
                           const SpatialGatingOptions& options);

}  // namespace attune::attention
