// What multi-head attention remembers of the rows (hypotheses) being decoded: keys and values side by side,
// [tokens, 2 * width]. Spatial gating keeps its gates, [tokens, channels], in the same way.
#pragma once

#include <initializer_list>
#include <limits>
#include <span>
#include <vector>

#include "attune/attention/scaled_dot.h"
#include "attune/nn/mixer.h"

namespace attune {

// Which tokens the newest one can see, and later ones no others: so many first ones, and so many last ones, itself
// among them.
struct Kept {
  int64_t first = 0, last = std::numeric_limits<int32_t>::max();
};

// Of what each row has read so far: row i's tokens from i * capacity on. The capacity doubles when it is used up, until
// what is kept fits twice; then tokens that none can see any more are forgotten. So a row takes memory for at most
// first + 2 last + 128 tokens, however many it reads.
class GrowingState : public MixerState {
 public:
  explicit GrowingState(int rows, const Kept& kept = {}) : rows_(rows), kept_(kept) {}

  // Rows that stay where they are are not copied; nothing is allocated where no row is overwritten before it is read.
  void reorder(std::span<const int> from) override;
  // Of what each row has read next: keys and values (or what else is kept of it), float32, [rows, ...] each and a row's
  // numbers side by side; the parts come to stand beside one another.
  void append(std::initializer_list<Tensor> parts);
  int length() const { return forgotten_ + length_; }  // tokens that each row has read
  // How far each kept token stands behind the last one; not its distance in the cache, once there is a gap behind the
  // first ones.
  bool has_gap() const { return kept_.first > 0 && forgotten_ > 0; }
  std::vector<int> distances() const;

  const Tensor& cache() const { return cache_; }
  Segments keys() const;  // of the cache, one sequence a row

 private:
  void reserve(int64_t token);
  int64_t first() const;   // tokens that are never forgotten
  int64_t enough() const;  // the largest capacity
  void forget();
  void move_to(std::span<const int> from, int new_capacity);
  bool can_copy_in_place(std::span<const int> from) const;
  void copy_in_place(std::span<const int> from);

  int rows_;
  Kept kept_;
  int length_ = 0, capacity_ = 0;  // of the cache, a row
  int forgotten_ = 0;
  Tensor cache_;  // [at least rows * capacity, a token's numbers]
};

struct Heads {
  int64_t count, depth;  // depth: numbers of one head
};
// Part 0, 1, ... of [rows, several times count * depth], without a copy and without a gradient: [rows, count, depth].
Tensor part_in_heads(const Tensor& joined, int part, const Heads& heads);
// What each row's new token, of which the query [rows, count, depth] is, attends to in all that the row has read, keys
// and values of as many heads: [rows, count * depth].
Tensor attend_to_past(const Tensor& query, const GrowingState& past, const attention::Options& options = {});

// Of a fixed memory: row i reads sequence source_of[i]. Neighbouring rows of one source (its beams) are queries of one
// sequence, which reads its keys once for all of them.
class FixedState : public MixerState {
 public:
  FixedState(const Tensor& cache, const Segments& memory, std::span<const int> source_of);

  void reorder(std::span<const int> from) override;

  const Tensor& cache() const { return cache_; }
  const Segments& queries() const { return queries_; }
  const Segments& keys() const { return keys_; }

 private:
  void lay_out();

  Tensor cache_;
  Segments memory_, queries_, keys_;
  std::vector<int> source_of_;
};

}  // namespace attune
