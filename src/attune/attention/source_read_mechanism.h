// What the mechanisms that read a source (additive.h, dot.h, location.h) share: the operands of a call, and where each
// puts its definition and its vector code.
#pragma once

#include "attune/attention/source_read.h"

namespace attune::attention {

// Tensors of one call, contiguous and of one type; those that a mechanism does not have are not given.
struct ReadInputs {
  Tensor query;   // [queries, depth], or for location the scores themselves
  Tensor key;     // [source tokens, depth]
  Tensor vector;  // [depth], the v of additive scores
  Tensor value;   // [source tokens, width]
  ReadOptions options;
};

struct ReadOutputs {
  Tensor context, weights;
  Tensor aligned;  // a; the same tensor as weights if there is no Gaussian
};

struct ReadGradients {
  Tensor query, key, value, centre;  // key and value are added to
  Tensor vector;                     // [queries, depth]: one row a query
};

// ---- The same for vector code: first elements of contiguous float32 matrices, null for what is not given ------------
struct ReadRows {
  const float *query, *key, *vector, *value, *centre;
  int64_t depth, width, longest;  // columns of query, value and weights
  const Segments *queries, *keys;
  const Window* window;
};

struct ReadRowResults {
  float *context, *aligned, *weights;
};

struct ReadRowGradients {
  const float* dcontext;
  float *query, *key, *vector, *value, *centre;
};

// A mechanism's name, its definition for float64 and its vector code for float32, which is given a range of sequences.
// Results and gradients come zeroed; those of keys and values are added to.
struct ReadMechanism {
  using Defined = void (*)(const ReadInputs& in, ReadOutputs& out);
  using DefinedBackward = void (*)(const ReadInputs& in, const ReadOutputs& saved, const Tensor& dcontext,
                                   ReadGradients& into);
  using Rows = void (*)(const ReadRows& in, int begin, int end, const ReadRowResults& out);
  using RowsBackward = void (*)(const ReadRows& in, int begin, int end, const ReadRowResults& saved,
                                const ReadRowGradients& into);
  const char* name;
  Defined defined;
  DefinedBackward defined_backward;
  Rows rows;
  RowsBackward rows_backward;
};

SourceRead read_source(const ReadMechanism& mechanism, ReadInputs in);

// Tokens begin ... end-1 of a source of `length` that a query centred at p sees. A p that is no number sees all.
struct Visible {
  int begin, end;
};
Visible visible(const Window& window, double p, int length);

}  // namespace attune::attention
