// What a model costs, from its config alone: an architecture's own part of describe().
#pragma once

#include <cstdint>

namespace attune {

// Bytes of an element in a row: of float32, and of what products read (bfloat16, or float32 again).
struct RowBytes {
  int64_t full = 4, operand = 4;
  bool rounds() const { return operand != full; }
  // A copy beside a float32 tensor, for products to read; none when they read that one.
  int64_t copy() const { return rounds() ? operand : 0; }
};

struct CostOptions {
  int length = 24;                       // tokens of a sentence
  int64_t source = 4096, target = 4096;  // tokens of a training batch
  RowBytes bytes = {};
};

struct ModelCost {
  // Multiply-adds of matrix products in one forward, per token of the side, the output layer left out.
  int64_t source_multiply_adds = 0, target_multiply_adds = 0;
  // Bytes of a batch that live from the forward until its backward: what each op keeps it says itself; a tensor that
  // several ops keep counts once. The hidden states before the output layer belong to it, all behind them does not.
  int64_t kept = 0;
  // Bytes that the backward of one layer needs beside what is kept, at most.
  int64_t passing = 0;
};

// What stands behind an encoder-only model's hidden states, or the output layer of a translation model: a task's own
// part.
struct OutputCost {
  int64_t multiply_adds = 0;  // of a prediction
  int64_t classes = 0;        // that its cross entropy is over
  double per_token = 1;       // predictions that a batch has for each of its (target) tokens
};

}  // namespace attune
