// The spatial gating unit's loops over rows on the processor, float32 in vectors; what lies between them are products.
#pragma once

#include <cstdint>

#include "attune/attention/spatial_gating.h"

namespace attune::attention::cpu {

// A row of Z, G, E and S; content null where S is G alone, addend null where there is no E.
struct GateRow {
  Gate gate;
  int64_t channels, heads;
  const float *content, *addend;
  int64_t content_stride = 0;  // to the next row's: it is asked for some rows before, as it lies apart
};

// g: W N of the row, becomes G; bias: b of the row's position, heads `bias_stride` apart. out: S, float or BFloat16.
template <class Out>
void join(const GateRow& row, float* g, const float* bias, int64_t bias_stride, Out* out);

// What the row's gradient becomes; null: not wanted.
template <class Operand>
struct GateRowGradients {
  Operand* operand;  // dG as products read it
  float* gate;       // dG, added to if add_to_gate
  float* content;    // of A or Z, added to if add_to_content
  float* sums;       // [heads]: dG summed over each head's channels
  bool add_to_gate, add_to_content;
};
// g: G, read where the form multiplies.
template <class Operand>
void join_backward(const GateRow& row, const float* g, const float* dout, const GateRowGradients<Operand>& into);

// y = sum_j weights[j] * (row j of x), rows `stride` apart, in the order of the rows
void mix_rows(const float* weights, const float* x, int64_t rows, int64_t stride, int64_t channels, float* y);

}  // namespace attune::attention::cpu
