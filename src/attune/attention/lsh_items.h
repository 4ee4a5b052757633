// The sorted order of a call of lsh.h, and its fused kernel. Internal to this room.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "attune/attention/lsh.h"

namespace attune::attention {

// How buckets are numbered: `digits` digits, each of `size` values from size / 2 columns of the rotation.
struct LshDigits {
  int digits, size;
  int columns() const { return digits * size / 2; }
};
LshDigits lsh_digits(int tokens, const LshOptions& options);

// Chunk t of a sequence is places [begin(t), begin(t + 1)) of its sorted order, in each round.
struct LshCut {
  int64_t tokens, chunks;
  int64_t begin(int64_t t) const { return t * tokens / chunks; }
  int64_t length(int64_t t) const { return begin(t + 1) - begin(t); }
  int64_t before(int64_t t) const { return (t + chunks - 1) % chunks; }  // only where there are several
  bool sees(int64_t chunk, int64_t other) const { return other == chunk || other == before(chunk); }
};
LshCut lsh_cut(int tokens, const LshOptions& options);

// Where every token of every head stands in every round.
class LshOrder {
 public:
  LshOrder(const Tensor& buckets, const Segments& segments, int64_t heads, const LshOptions& options);

  LshCut cut(int sequence) const { return lsh_cut(segments_.length(sequence), options_); }
  // Of one chunk, every round shows the same.
  int rounds(int sequence) const { return cut(sequence).chunks == 1 ? 1 : options_.rounds; }
  // Of a sequence, its tokens' positions in sorted order; and by position, their chunks.
  const int32_t* positions(int sequence, int64_t head, int round) const {
    return at(positions_, sequence, head, round);
  }
  const int32_t* chunks(int sequence, int64_t head, int round) const { return at(chunks_, sequence, head, round); }

  const Segments& segments() const { return segments_; }
  const LshOptions& options() const { return options_; }
  int64_t heads() const { return heads_; }

 private:
  const int32_t* at(const Tensor& x, int sequence, int64_t head, int round) const {
    return x.pointer<int32_t>() + (head * options_.rounds + round) * segments_.rows() + segments_.begin(sequence);
  }
  void sort(const Tensor& buckets, int sequence, int64_t head, int round);

  Segments segments_;
  LshOptions options_;
  int64_t heads_;
  Tensor positions_, chunks_;  // [heads, rounds, rows]
};

namespace cpu {

struct LshForward {
  Tensor out;      // [rows, heads, Dv]
  Tensor log_sum;  // [heads, rows] of exp(logits) over what a token sees; infinite where that is itself alone
};
LshForward lsh_forward(const Tensor& q, const Tensor& v, const LshOrder& order);
Tensor lsh_last(const Tensor& q, const Tensor& v, const LshOrder& order);

struct LshGradients {
  Tensor q, v;
};
LshGradients lsh_backward(const Tensor& q, const Tensor& v, const LshOrder& order, const LshForward& forward,
                          const Tensor& dout);

}  // namespace cpu

}  // namespace attune::attention
