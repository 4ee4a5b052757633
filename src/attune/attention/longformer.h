// Longformer's attention (Beltagy 2020, section 3.1): a sliding window and global tokens, whose own attention has
// projections of its own. A query of a token that is not global has one softmax over the keys of its window and those
// of the global tokens, each once, all from the ordinary projections; a global token's query attends to the whole
// sequence, and query, keys and values of that come from the global ones (which begin as copies of the ordinary).
#pragma once

#include <cstdint>
#include <vector>

#include "attune/attention/scaled_dot.h"

namespace attune::attention {

struct GlobalProjections {
  Tensor q;     // [global tokens, Hq, D]: of global_rows(), in their order
  Tensor k, v;  // [N, Hkv, D], [N, Hkv, Dv]: of all tokens
};

// The global tokens' rows in the packed matrix, sequence by sequence, each once and in ascending order; and how many of
// them each sequence has.
struct GlobalRows {
  std::vector<int32_t> rows;
  Segments queries;
};
GlobalRows global_rows(const GlobalTokens& global, const Segments& tokens);

// q [N, Hq, D], k [N, Hkv, D], v [N, Hkv, Dv] of the ordinary projections -> [N, Hq, Dv]. options.mask holds nothing
// but a pattern with its global tokens (any rule but BigBird's with global blocks, which have no other projections);
// there is no bias. Types and all else as in scaled_dot(), of which this is two calls; dropout is drawn for each. It
// has no causal form: a global token sees the whole sequence (a causal mask and a pattern alone, in scaled_dot(), do go
// together).
Tensor longformer(const Tensor& q, const Tensor& k, const Tensor& v, const GlobalProjections& global,
                  const Segments& tokens, const Options& options);

}  // namespace attune::attention
