// Reformer's attention by locality-sensitive hashing (Kitaev et al. 2020, section 2 and appendix A). Queries and keys
// are one projection: k_j = q_j / |q_j|, and the logit is q_i.k_j, without another 1 / sqrt(depth), as in the published
// code (trax); 0 is its own key where |q_j| = 0. In each of `rounds` rounds a random rotation R [depth, b / 2] gives
// every token a bucket,
//   bucket(x) = argmax over [x R; -x R],
// the tokens of a sequence are sorted by (bucket, position) and cut into chunks of equal length (but for one token),
// and a token sees its own chunk and the one before it in this order (before the first stands the last). Then
//   out_i = sum_j P_ij v_j,   P_ij = w_ij exp(q_i.k_j) / sum_j' w_ij' exp(q_i.k_j')
// where w_ij = 1 if some round shows i the key j, else 0: softmax over the union, which is the paper's merging of
// rounds by log-sum-exp with log N_ij taken off, N_ij being the number of rounds that show j. Each round more comes
// nearer to full attention. With count_once = false w_ij = N_ij instead (nothing is taken off, as in some published
// code). A token does not see itself unless no round shows it anything else: the paper's penalty of 1e5, in the limit.
// With sees_itself it does, as any other key: of unit keys it is then the one with the largest logit, |q_i|.
//
// A causal token sees earlier positions alone: what later tokens hold reaches nothing. But the sorted order, and so the
// set of earlier tokens that it sees, depends on where later tokens are sorted to. A decoder that reads token by token
// sees, at each, what the last token of the whole so far sees: lsh_last.
//
// One chunk (chunk = 0, or a sequence no longer than one) is full attention with shared queries and keys; hashes are
// then not asked for. Time is n rounds (2 chunk depth + log n), memory beside the results linear in n.
#pragma once

#include "attune/base/rng.h"
#include "attune/tensor/segments.h"
#include "attune/tensor/tensor.h"

namespace attune::attention {

struct LshOptions {
  bool causal = false;
  int rounds = 2;
  int chunk = 64;          // tokens, at most; 0: the whole sequence
  bool count_once = true;  // a key that several rounds show
  bool sees_itself = false;
};

// How many buckets sequences of so many tokens have: two a chunk, which the paper has as well (m = 2 n / b). Beyond 64
// they are pairs, triples, ... of digits with a rotation each, and as many more as make digits even and equally large.
int lsh_bucket_count(int tokens, const LshOptions& options);

// R' of every head, round and digit, [heads, rounds, columns, depth], normally distributed: a function of rng, the
// number of the draw, head, round and column. `longest`: tokens of the longest sequence; shorter ones take the leading
// columns.
Tensor lsh_rotations(int64_t heads, int64_t depth, int longest, const Rng& rng, int64_t draw,
                     const LshOptions& options);

// The bucket of every token, [rows, heads, rounds], int32, without a gradient; always computed in float32, so that a
// definition in float64 has the same. q [rows, heads, depth].
Tensor lsh_buckets(const Tensor& q, const Segments& segments, const Tensor& rotations, const LshOptions& options);
// Of rows that belong to sequences of so many tokens each: what a decoder asks for its next tokens.
Tensor lsh_buckets(const Tensor& q, int tokens, const Tensor& rotations, const LshOptions& options);

// The chunk of every token, counted in sorted order, [rows, heads, rounds], int32: in a round a token sees those of the
// same number and of the one before. buckets as from lsh_buckets; not given where no sequence has more than one chunk.
Tensor lsh_chunks(const Tensor& buckets, const Segments& segments, int64_t heads, const LshOptions& options);

// q [rows, heads, depth], v [rows, heads, Dv] -> [rows, heads, Dv]; float32, or float64 (the definition); the inputs
// may be strided views. The backward takes the same buckets. A sequence's rows have the same bits whatever else is in
// the batch and with any number of threads.
Tensor lsh(const Tensor& q, const Tensor& v, const Tensor& buckets, const Segments& segments,
           const LshOptions& options = {});

// The row of every sequence's last token, [sequences, heads, Dv], with the bits that lsh() gives it; float32, without a
// gradient. Segments may leave gaps (a cache that grows); a sequence has at least one token. Time: sorting, and
// products of one row with its chunks.
Tensor lsh_last(const Tensor& q, const Tensor& v, const Tensor& buckets, const Segments& segments,
                const LshOptions& options = {});

// P of one sequence, [heads, its tokens, its tokens], float64: what inspection shows.
Tensor lsh_weights(const Tensor& q, const Tensor& buckets, const Segments& segments, int sequence,
                   const LshOptions& options = {});

}  // namespace attune::attention
