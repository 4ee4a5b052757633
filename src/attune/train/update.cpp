#include "attune/train/update.h"

#include <cmath>

#include "attune/ops/cross_entropy.h"
#include "attune/text/tokenizer.h"

namespace attune {

namespace {

// Some of the target pieces that the decoder reads become <unk>; <s> stays, and what it must predict.
Batch with_unknown_words(const Batch& batch, double rate, const Rng& rng) {
  Batch result = batch;
  for (size_t i = 0; i < result.target_input.size(); ++i) {
    if (result.target_input[i] != bos_id && rng.uniform(i) < rate) {
      result.target_input[i] = unk_id;
    }
  }
  return result;
}

}  // namespace

void add_batch(UpdateGradient& into, const Model& model, const Batch& batch, const TrainOptions& options,
               const BatchPlace& place) {
  Pass pass;
  pass.dropout = Rng(options.seed)
                     .stream("dropout")
                     .stream(static_cast<uint64_t>(place.update))
                     .stream(static_cast<uint64_t>(place.batch));
  pass.compute = compute_type(options);
  CrossEntropyOptions cross;
  cross.label_smoothing = options.label_smoothing;
  cross.compute = pass.compute;

  Tape tape(model.parameters());
  const Tensor hidden =
      options.word_dropout > 0
          ? model.hidden(with_unknown_words(batch, options.word_dropout, pass.dropout->stream("words")), pass)
          : model.hidden(batch, pass);
  const OutputLayer output = model.output();
  const CrossEntropy result = linear_cross_entropy(hidden, output.weight, output.bias, batch.target_output, cross);
  const double loss = result.loss.item();
  into.loss += loss;
  into.nll += result.nll;
  into.target_tokens += batch.target_tokens();
  into.tokens += batch.target_tokens() + batch.source_tokens();
  if (!std::isfinite(loss)) {
    return;  // the caller stops
  }
  Gradients gradients = tape.backward(result.loss);
  if (into.sum) {
    into.sum->add(gradients);
  } else {
    into.sum.emplace(std::move(gradients));
  }
}

}  // namespace attune
