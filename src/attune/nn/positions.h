// Where a token stands in its sequence. Added to its embedding, d the width, p the position from 0 (three sinusoidal
// layouts are in use, papers differ from tools):
//   sinusoidal               interleaved sin, cos of p / 10000^(2i/d)  (Vaswani 2017, section 3.5)
//   sinusoidal_concatenated  [sin | cos] of p / 10000^(2i/d)           (Hugging Face's Marian models)
//   sinusoidal_tensor2tensor [sin | cos] of p / 10000^(i/(d/2-1))      (tensor2tensor, fairseq, Marian itself)
//   learned                  a row of a learnt table per position
// or inside self-attention (nn/attention_positions.h), nothing being added:
//   relative                 a learnt bias on scores per head and bucket of j - i (Raffel 2020, T5)
//   relative_offset          a learnt bias on scores per head and offset j - i
//   rotary, rotary_halves    queries and keys turned by their positions (Su 2021), in either layout of ops/rotary.h
//   alibi                    a fixed bias -slope |i - j| per head (Press 2021)
#pragma once

#include <string_view>
#include <vector>

#include "attune/autograd/parameters.h"
#include "attune/tensor/segments.h"

namespace attune {

enum class PositionKind : uint8_t {
  none,
  sinusoidal,
  sinusoidal_concatenated,
  sinusoidal_tensor2tensor,
  learned,
  relative,
  relative_offset,
  rotary,
  rotary_halves,
  alibi
};
PositionKind position_kind_of_name(std::string_view name);  // throws and lists the known names
constexpr bool stands_in_attention(PositionKind kind) {
  return kind >= PositionKind::relative;
}

// What is added to the embeddings: nothing where positions stand inside attention.
struct Positions {
  Positions() = default;
  // start: of a learnt table
  Positions(PositionKind form, int64_t model_width, int64_t longest,
            const Initialiser& start = {Initialiser::Kind::normal, 0.02})
      : kind(stands_in_attention(form) ? PositionKind::none : form), width(model_width) {
    if (kind == PositionKind::learned) {
      table = Parameter({longest, width}, start);
    }
  }

  // x [rows, width] plus the position of every row in its sequence. Throws when a learnt table is too short.
  Tensor operator()(const Tensor& x, const Segments& segments) const;
  // x [rows, width], one token a row: row i stands at position at[i].
  Tensor at(const Tensor& x, std::span<const int32_t> at) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    if (self.table) {
      each("table", self.table);
    }
  }

  PositionKind kind = PositionKind::none;
  int64_t width = 0;
  Parameter table;
};

// The position of every row in its sequence; 0 for rows of none.
std::vector<int32_t> positions_in(const Segments& segments);

// [count, width] in float64, for the sinusoidal kinds.
Tensor sinusoidal_table(PositionKind kind, int64_t count, int64_t width);

}  // namespace attune
