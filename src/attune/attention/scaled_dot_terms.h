// What the definition and the fused kernel of scaled_dot share: the sizes, which keys a query sees, and which weights
// dropout takes. Internal to this room.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "attune/attention/scaled_dot.h"
#include "attune/attention/scaled_dot_blocks.h"

namespace attune::attention {

struct Sizes {
  int64_t query_rows = 0, key_rows = 0;  // Nq, Nk
  int heads = 0, kv_heads = 0;           // Hq, Hkv
  int depth = 0, value_depth = 0;        // D, Dv
  int group() const { return kv_heads > 0 ? heads / kv_heads : 1; }
};

// Throws unless shapes, types, segments and options fit together.
Sizes checked_sizes(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& queries, const Segments& keys,
                    const Options& options);
double scale_of(const Options& options, const Sizes& sizes);
const Tensor* bias_of(const Options& options);  // its table, whatever kind of bias it is; null: no bias

struct KeyRange {
  int begin = 0, end = 0;  // keys begin ... end-1
};

// The keys that query i of `queries` sees among `keys`, before any explicit mask or pattern. Aligned at the end: query
// i stands at key i + keys - queries. Both ends grow with i.
inline KeyRange visible_keys(const Mask& mask, int i, int queries, int keys) {
  const int64_t position = int64_t{i} + keys - queries;
  int64_t begin = mask.left ? position - *mask.left : 0;
  int64_t end = mask.right ? position + *mask.right + 1 : keys;
  if (mask.causal) {
    end = std::min(end, position + 1);
  }
  end = std::clamp<int64_t>(end, 0, keys);
  begin = std::clamp<int64_t>(begin, 0, end);
  return {static_cast<int>(begin), static_cast<int>(end)};
}

// For profiles: the useful operations of a forward's two products, of the visible pairs before any explicit mask.
double forward_flops(const Sizes& sizes, const Segments& queries, const Segments& keys, const Mask& mask);
// The blocks to visit where the mask has a pattern; else not given.
cpu::BlockMask block_mask_of(const Sizes& sizes, const Segments& queries, const Segments& keys, const Options& options);
inline constexpr double backward_per_forward = 2.5;  // five products instead of two: the scores are made again

// The weight of (sequence, head, i, j) is dropped when dropout_bits(key, j) < drop_below(rate), with the row's key
// rng.stream(sequence).stream(head).stream(i).key(): 32 bits in five rounds of 32-bit arithmetic, so that a vector of
// keys costs as much as one. (A multiply-shift mixer whose constants are Wellons's "lowbias32", keyed twice.)
inline uint64_t dropout_key(const Rng& rng, int sequence, int head, int i) {
  return rng.stream(static_cast<uint64_t>(sequence))
      .stream(static_cast<uint64_t>(head))
      .stream(static_cast<uint64_t>(i))
      .key();
}
inline uint32_t dropout_bits(uint64_t key, uint32_t j) {
  uint32_t x = static_cast<uint32_t>(key) + j * 0x9e3779b9U;
  x = (x ^ (x >> 16)) * 0x7feb352dU;
  x = (x ^ (x >> 15)) + static_cast<uint32_t>(key >> 32);
  x = (x ^ (x >> 16)) * 0x846ca68bU;
  return x ^ (x >> 16);
}
inline uint32_t drop_below(double rate) {
  return static_cast<uint32_t>(rate * 4294967296.0);
}

inline bool drops(const Dropout& dropout) {
  return dropout.rng.has_value() && dropout.rate > 0;
}

// The fused CPU kernel's side of the door. q, k, v of one type, float32 or bfloat16; so are out and the gradients.
namespace cpu {

struct Fused {
  Tensor q, k, v;
  Segments queries, keys;
  Options options;
  Sizes sizes;
  BlockMask blocks = {};  // of a pattern
};
struct FusedForward {
  Tensor out;                  // [Nq, Hq, Dv]
  Tensor log_sum_exp;          // [Nq, Hq], softmax only
  Tensor statistics;           // [Nq, Hq, 2]: what rebuilds P: softmax P = exp(s - first) second, else P = f(s) second
  int64_t visited_blocks = 0;  // of a pattern: pairs of 64 queries and 64 keys that were worked on
};
struct FusedGradients {
  Tensor q, k, v, bias;        // bias: only when asked for
  int64_t visited_blocks = 0;  // of a pattern, as in the forward; in two halves, which visit each twice, their sum
};

FusedForward fused_forward(const Fused& inputs);
FusedGradients fused_backward(const Fused& inputs, const FusedForward& forward, const Tensor& dout, const Tensor& dlse,
                              bool wants_bias);

}  // namespace cpu
}  // namespace attune::attention
