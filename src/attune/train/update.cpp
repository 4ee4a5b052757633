#include "attune/train/update.h"

#include <cmath>

namespace attune {

void add_batch(UpdateGradient& into, const Parameters& parameters, const LossOfBatch& loss_of,
               const TrainOptions& options, const BatchPlace& place) {
  Pass pass;
  pass.dropout = Rng(options.seed)
                     .stream("dropout")
                     .stream(static_cast<uint64_t>(place.update))
                     .stream(static_cast<uint64_t>(place.batch));
  pass.compute = compute_type(options);

  Tape tape(parameters);
  const BatchLoss batch = loss_of(pass);
  const double loss = batch.loss.item();
  into.loss += loss;
  into.nll += batch.nll;
  into.counted += batch.counted;
  into.tokens += batch.tokens;
  if (!std::isfinite(loss)) {
    return;  // the caller stops
  }
  Gradients gradients = tape.backward(batch.loss);
  if (into.sum) {
    into.sum->add(gradients);
  } else {
    into.sum.emplace(std::move(gradients));
  }
}

}  // namespace attune
