// Biases that depend on the relative position j - i alone (i aligned at the end): ALiBi, T5 and one number per offset.
// Each is a table of some numbers per head; the kernel reads them spread over the relative positions that occur, never
// over pairs.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "attune/attention/scaled_dot.h"

namespace attune::attention {

// Every such bias is factor * value[head, index].
struct RelativeTerm {
  int64_t index;
  double factor;
};

// The bucket of a relative position (Raffel 2020, section 2.1).
int64_t bucket_of(const Buckets& buckets, int64_t relative);
// Of any bias but none and a dense one.
RelativeTerm relative_term(const Bias& bias, int64_t relative);
int64_t numbers_per_head(const Bias& bias);

struct RelativeTable {
  int numbers = 0;                  // of `value` per head
  int64_t center = 0;               // where relative position 0 stands
  std::vector<RelativeTerm> terms;  // by relative position
  Tensor bias;                      // float32 [heads, terms and 64 zeros]

  explicit operator bool() const { return !terms.empty(); }
};

// Not given unless the bias is of this kind.
RelativeTable relative_table(const Options& options, const Segments& queries, const Segments& keys);

// sums[n] += what the gradients of the biases, by relative position from position `first` of the table on, say about
// number n of the head.
void add_relative_gradient(const RelativeTable& table, std::span<const float> gradients, int64_t first, float* sums);

}  // namespace attune::attention
