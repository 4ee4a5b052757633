// Where a token stands in its sequence, added to its embedding. Three sinusoidal layouts are in use (papers differ from
// tools), d the width, p the position from 0:
//   sinusoidal               interleaved sin, cos of p / 10000^(2i/d)  (Vaswani 2017, section 3.5)
//   sinusoidal_concatenated  [sin | cos] of p / 10000^(2i/d)           (Hugging Face's Marian models)
//   sinusoidal_tensor2tensor [sin | cos] of p / 10000^(i/(d/2-1))      (tensor2tensor, fairseq, Marian itself)
//   learned                  a row of a learnt table per position
#pragma once

#include <string_view>

#include "attune/autograd/parameters.h"
#include "attune/tensor/segments.h"

namespace attune {

enum class PositionKind : uint8_t { none, sinusoidal, sinusoidal_concatenated, sinusoidal_tensor2tensor, learned };
PositionKind position_kind_of_name(std::string_view name);  // throws and lists the known names

struct Positions {
  Positions() = default;
  // start: of a learnt table
  Positions(PositionKind form, int64_t model_width, int64_t longest,
            const Initialiser& start = {Initialiser::Kind::normal, 0.02})
      : kind(form), width(model_width) {
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

// [count, width] in float64, for the sinusoidal kinds.
Tensor sinusoidal_table(PositionKind kind, int64_t count, int64_t width);

}  // namespace attune
