// Performer (FAVOR+; Choromanski et al. 2021, sections 2.3-2.4): softmax attention estimated by random features.
// feature_attention.h with x' = x depth^(-1/4), m features w_f and
//   exponential: phi_f(x) = m^(-1/2) (exp(w_f.x' - |x'|^2 / 2) + epsilon max_g exp(w_g.x' - |x'|^2 / 2))
//   relu:        phi_f(x) = m^(-1/2) (max(w_f.x', 0) + epsilon)
// With epsilon = 0 the first is unbiased: E[phi(q).phi(k)] = exp(q.k / sqrt(depth)), with an error like m^(-1/2).
//
// The published code divides all keys' features by the largest of the whole sequence before it adds epsilon; a causal
// query would learn of later keys from that. Here epsilon counts from each row's own largest feature, so that phi is a
// function of its row alone, and rows carry the logarithm of their scale (feature_attention-inl.h), so that nothing
// overflows whatever the row. Where epsilon is 0 both are the same function.
#pragma once

#include <optional>

#include "attune/attention/feature_attention.h"
#include "attune/base/rng.h"

namespace attune::attention {

enum class PerformerKernel : uint8_t { exponential, relu };

struct PerformerOptions {
  bool causal = false;  // token i sees tokens 0 ... i; queries and keys of a sequence are then equally many
  PerformerKernel kernel = PerformerKernel::exponential;
  std::optional<double> epsilon = {};  // 1e-4 (exponential), 1e-3 (relu) unless given
};

struct RandomFeatureOptions {
  bool orthogonal = true;    // blocks of `depth` orthogonal rows, which vary less; else independent rows
  bool equal_norms = false;  // of orthogonal rows: sqrt(depth) instead of those of normal vectors
};

// w [count, depth] for a depth of q and k: a function of rng, the number of the draw (training draws anew from time to
// time) and the sizes. Orthogonal blocks are Q of QR of normal matrices.
Tensor random_features(const Shape& shape, const Rng& rng, int64_t draw, const RandomFeatureOptions& options = {},
                       DType dtype = DType::float32);

// q [Nq, H, D], k [Nk, H, D], v [Nk, H, Dv], features [m, D], without a gradient -> [Nq, H, Dv]; the paper takes m of
// about D log D. Types, views, bits and what hidden keys hold: as linear_attention.
Tensor performer(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& features, const Segments& queries,
                 const Segments& keys, const PerformerOptions& options = {});

// The next token of every sequence, and the state behind its last one: as linear_attention_step and _state.
Tensor performer_step(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& features, FeatureState& state,
                      const PerformerOptions& options = {});
FeatureState performer_state(const Tensor& k, const Tensor& v, const Tensor& features, const Segments& keys,
                             const PerformerOptions& options = {});

// phi of every row of x [rows, heads, D] -> [rows, heads, m]; float64, without a gradient: what inspection shows.
Tensor performer_map(const Tensor& x, const Tensor& features, const PerformerOptions& options = {});

}  // namespace attune::attention
