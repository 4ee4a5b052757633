#include "attune/train/translation_objective.h"

#include "attune/autograd/tape.h"
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

BatchLoss translation_loss(const Model& model, const Batch& batch, const TrainOptions& options, const Pass& pass) {
  CrossEntropyOptions cross;
  cross.label_smoothing = options.label_smoothing;
  cross.compute = pass.compute;
  const Tensor hidden =
      options.word_dropout > 0 && pass.dropout
          ? model.hidden(with_unknown_words(batch, options.word_dropout, pass.dropout->stream("words")), pass)
          : model.hidden(batch, pass);
  const OutputLayer output = model.output();
  const CrossEntropy result = linear_cross_entropy(hidden, output.weight, output.bias, batch.target_output, cross);
  return {result.loss, result.nll, batch.target_tokens(), batch.target_tokens() + batch.source_tokens()};
}

double validation_nll(const Model& model, const std::vector<Example>& examples, const ValidationOptions& options) {
  const NoTape pause;
  BatchOptions by_length;
  by_length.batch_tokens = options.batch_tokens;
  Pass pass;
  pass.compute = options.compute;
  TrainOptions plain;
  plain.label_smoothing = 0;
  double nll = 0;
  int64_t tokens = 0;
  for (const std::vector<int>& indices : batches_by_length(examples, by_length)) {
    const BatchLoss loss = translation_loss(model, make_batch(examples, indices), plain, pass);
    nll += loss.nll;
    tokens += loss.counted;
  }
  check(tokens > 0, "validation: no examples");
  return nll / static_cast<double>(tokens);
}

BatchLoss TranslationObjective::loss(int64_t epoch, int index, const Pass& pass) {
  return translation_loss(model_, data_.batch(epoch, index), options_, pass);
}

ValidationFigures TranslationObjective::validate() {
  ValidationFigures figures;
  figures.nll = validation_nll(model_, validation_.examples,
                               {.batch_tokens = options_.batch_tokens, .compute = compute_type(options_)});
  if (options_.valid_bleu && validation_.bleu) {
    figures.score = Score{.key = "bleu", .title = "BLEU", .value = validation_.bleu(model_)};
  }
  return figures;
}

std::map<std::string, std::string> TranslationObjective::identity() const {
  Checksum checksum;
  for (const Example& example : data_.examples()) {
    checksum.add_list(example.source);
    checksum.add_list(example.target);
  }
  return identity_of("examples", std::ssize(data_.examples()), checksum);
}

}  // namespace attune
