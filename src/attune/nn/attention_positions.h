// Positions inside self-attention: a bias on the scores that depends on how far query and key are apart, or queries and
// keys turned by where they stand. An encoder's biases tell before from behind; a decoder's know the past alone.
#pragma once

#include "attune/attention/scaled_dot.h"
#include "attune/nn/positions.h"

namespace attune {

struct AttentionPositionOptions {
  PositionKind kind = PositionKind::none;  // one that is added to embeddings does nothing here
  int heads = 1;
  bool causal = false;
  int max_positions = 1024;  // of relative_offset: offsets from it on share a number
};

struct AttentionPositions {
  AttentionPositions() = default;
  explicit AttentionPositions(const AttentionPositionOptions& settings);

  // For queries and keys that are aligned at the end, as scaled_dot has them; numbers of the type `dtype`.
  attention::Bias bias(DType dtype) const;
  // The same for one query a sequence and keys that stand so far behind it, float32, without a gradient.
  attention::Bias bias_at(std::span<const int> distances) const;
  // x [rows, heads, depth], queries or keys; itself unless the kind is rotary. Row r stands at at[r].
  Tensor turned(const Tensor& x, std::span<const int32_t> at) const;
  bool turns() const { return options.kind == PositionKind::rotary || options.kind == PositionKind::rotary_halves; }

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    if (self.table) {
      each("table", self.table);
    }
  }

  AttentionPositionOptions options;
  Parameter table;  // [heads, 32] of relative; [heads, 2 max_positions - 1], causal [heads, max_positions]
};

// ALiBi's slope of a head, 2^(-8 (head + 1) / heads), whatever the number of heads (Press 2021, section 3).
double alibi_slope(int head, int heads);

// Of T5 (Raffel 2020, section 2.1).
inline constexpr int relative_buckets = 32, relative_reach = 128;

}  // namespace attune
