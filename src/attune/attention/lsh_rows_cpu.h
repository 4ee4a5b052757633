// The row passes of attention by hashing (lsh_cpu.cpp), between its products; float32 in vectors.
#pragma once

#include <cstdint>

namespace attune::attention::cpu {

// One query and the keys of its chunk and the one before, in one round.
struct LshRow {
  const int32_t* positions;  // of the keys in their sequence
  int64_t keys;
  int32_t hidden, end;  // the position that the query does not see, and the first of those that it does not see
  // Where a key is divided by the number of rounds that show it: the keys' chunks in the `others` other rounds,
  // `distance` numbers apart, and by round the chunks that the query sees.
  int64_t others = 0, distance = 0;
  const int32_t* chunks = nullptr;
  const int32_t *own = nullptr, *before = nullptr;
};

// q.k -> exp(q.k - shift) / N, 0 where hidden, with `shift` raised to the largest score that the query sees. Gives
// their sum: 0 where it sees nothing, else not.
float lsh_weigh(const LshRow& row, float* scores, float& shift);

// q.k -> P = exp(q.k - log_sum) / N, and dP -> P (dP - mean); both 0 where hidden.
void lsh_weigh_backward(const LshRow& row, float log_sum, float mean, float* scores, float* gradients);

// y = factor y + x
void rescale_and_add(float factor, const float* x, float* y, int64_t count);

}  // namespace attune::attention::cpu
