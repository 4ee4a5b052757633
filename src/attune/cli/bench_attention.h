// What the tables of `attune bench attention` share.
#pragma once

#include <algorithm>

#include "attune/cli/console.h"
#include "attune/tensor/tensor.h"

namespace attune::cli {

// Uniform in -1 ... 1.
Tensor random_values(const Shape& shape, uint64_t seed, DType dtype);

// Best of several calls in about `seconds` seconds, two at least; `prepare` is not timed.
template <class Prepare, class Run>
double best_time(double seconds, const Prepare& prepare, const Run& run) {
  const Stopwatch all;
  double best = 0;
  for (int round = 0; round < 2 || all.seconds() < seconds; ++round) {
    auto prepared = prepare();
    const Stopwatch watch;
    run(prepared);
    const double time = watch.seconds();
    best = round == 0 ? time : std::min(best, time);
  }
  return best;
}

// One query a sequence against caches of 256 MB: GB/s, and its share of what only reading the same bytes gives.
void print_attention_decoding(double seconds);

}  // namespace attune::cli
