// The gradient of one update: the sum over its batches, each on its own tape, so that memory is one batch's.
#pragma once

#include <optional>

#include "attune/autograd/tape.h"
#include "attune/models/model.h"
#include "attune/train/options.h"

namespace attune {

struct UpdateGradient {
  std::optional<Gradients> sum = {};  // of the losses' sums, not yet divided by tokens
  double loss = 0, nll = 0;           // sums over target tokens
  int64_t target_tokens = 0, tokens = 0;
};

// Adds a batch. The loss is the sum over target tokens, so batches weigh by their tokens. Dropout draws from
// (seed, update, number of the batch in the update) alone.
struct BatchPlace {
  int64_t update;  // from 1
  int batch;       // in the update, from 0
};
void add_batch(UpdateGradient& into, const Model& model, const Batch& batch, const TrainOptions& options,
               const BatchPlace& place);

}  // namespace attune
