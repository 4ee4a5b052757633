// The gradient of one update: the sum over its batches, each on its own tape, so that memory is one batch's.
#pragma once

#include <functional>
#include <optional>

#include "attune/autograd/tape.h"
#include "attune/train/objective.h"
#include "attune/train/options.h"

namespace attune {

struct UpdateGradient {
  std::optional<Gradients> sum = {};  // of the losses' sums, not yet divided by what is counted
  double loss = 0, nll = 0;           // sums over what is counted
  int64_t counted = 0, tokens = 0;
};

// Adds a batch, whose loss is computed on a tape of the parameters. It is a sum, so that batches weigh by what they
// count. Dropout draws from (seed, update, number of the batch in the update) alone.
struct BatchPlace {
  int64_t update;  // from 1
  int batch;       // in the update, from 0
};
using LossOfBatch = std::function<BatchLoss(const Pass&)>;
void add_batch(UpdateGradient& into, const Parameters& parameters, const LossOfBatch& loss_of,
               const TrainOptions& options, const BatchPlace& place);

}  // namespace attune
