#include "attune/train/masked_language_objective.h"

#include <cmath>

#include "attune/autograd/tape.h"
#include "attune/base/check.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/cross_entropy.h"
#include "attune/train/report.h"

namespace attune {

namespace {

int64_t told_rightly(const Tensor& logits, std::span<const int32_t> follows) {
  int64_t right = 0;
  for (size_t i = 0; i < follows.size(); ++i) {
    const auto row = static_cast<int64_t>(2 * i);
    right += (logits.at(row + 1) > logits.at(row)) == (follows[i] == 1) ? 1 : 0;
  }
  return right;
}

}  // namespace

MaskedLoss masked_language_loss(const MaskedLanguageModel& model, const MaskedBatch& batch, double label_smoothing,
                                const Pass& pass) {
  CrossEntropyOptions cross;
  cross.label_smoothing = label_smoothing;
  cross.compute = pass.compute;
  const Tensor hidden = model.encoder()({batch.ids, batch.segments, batch.types}, pass.within("encoder"));
  const Tensor predicted = model.predicted(hidden, batch.rows, pass);
  const OutputLayer output = model.output();
  const CrossEntropy masked = linear_cross_entropy(predicted, output.weight, output.bias, batch.gold, cross);
  const auto counted = static_cast<int64_t>(batch.rows.size());
  MaskedLoss result{{masked.loss, masked.nll, counted, static_cast<int64_t>(batch.ids.size())}};
  if (model.config().next_sentence) {
    const Tensor logits = model.next_sentence(hidden, batch.segments, pass);
    const double weight = static_cast<double>(counted) / batch.segments.count();
    result.batch.loss = add(masked.loss, scale(cross_entropy(logits, batch.follows).loss, weight));
    result.right = told_rightly(logits, batch.follows);
  }
  return result;
}

double unigram_nll(const PackedText& text, int vocabulary, std::span<const MaskedBatch> masked) {
  std::vector<int64_t> counts(static_cast<size_t>(vocabulary), 1);
  for (const int32_t id : text.all_pieces()) {
    ++counts[static_cast<size_t>(id)];
  }
  const double all = static_cast<double>(text.all_pieces().size()) + vocabulary;
  double nll = 0;
  int64_t positions = 0;
  for (const MaskedBatch& batch : masked) {
    for (const int32_t id : batch.gold) {
      nll -= std::log(static_cast<double>(counts[static_cast<size_t>(id)]) / all);
      ++positions;
    }
  }
  return per(nll, positions);
}

MaskedLanguageObjective::MaskedLanguageObjective(MaskedLanguageModel& model, const PackedText& text,
                                                 const PackedText* valid, const TrainOptions& options)
    : model_(model), text_(text), valid_(valid), options_(options) {
  if (valid_ != nullptr) {
    unigram_ = Baseline{"unigram", unigram_nll(text_, masking().vocabulary, validation_batches())};
  }
}

MaskingOptions MaskedLanguageObjective::masking() const {
  const ModelConfig& config = model_.config();
  return {options_.whole_word_masking, config.next_sentence, config.source_vocabulary};
}

std::vector<MaskedBatch> MaskedLanguageObjective::validation_batches() const {
  const Rng always = Rng(0).stream("validation masks");
  std::vector<MaskedBatch> batches;
  for (const std::vector<int>& sequences : batches_in_order(*valid_, options_.batch_tokens)) {
    batches.push_back(make_masked_batch(*valid_, sequences, masking(), always));
  }
  return batches;
}

const std::vector<std::vector<int>>& MaskedLanguageObjective::plan(int64_t epoch) {
  if (epoch != planned_) {
    const Rng rng = Rng(options_.seed).stream("batches").stream(static_cast<uint64_t>(epoch));
    plan_ = shuffled_batches(text_, options_.batch_tokens, rng);
    planned_ = epoch;
  }
  return plan_;
}

BatchLoss MaskedLanguageObjective::loss(int64_t epoch, int index, const Pass& pass) {
  const Rng rng = Rng(options_.seed).stream("masks").stream(static_cast<uint64_t>(epoch));
  const MaskedBatch batch = make_masked_batch(text_, plan(epoch)[static_cast<size_t>(index)], masking(), rng);
  return masked_language_loss(model_, batch, options_.label_smoothing, pass).batch;
}

ValidationFigures MaskedLanguageObjective::validate() {
  const NoTape pause;
  Pass pass;
  pass.compute = compute_type(options_);
  double nll = 0;
  int64_t counted = 0, right = 0;
  for (const MaskedBatch& batch : validation_batches()) {
    const MaskedLoss loss = masked_language_loss(model_, batch, 0, pass);
    nll += loss.batch.nll;
    counted += loss.batch.counted;
    right += loss.right;
  }
  ValidationFigures figures;
  figures.nll = per(nll, counted);
  if (model_.config().next_sentence) {
    figures.score = Score{.key = "next_sentence_accuracy",
                          .title = "next-sentence accuracy",
                          .decimals = 4,
                          .value = per(static_cast<double>(right), valid_->count())};
  }
  return figures;
}

std::map<std::string, std::string> MaskedLanguageObjective::identity() const {
  Checksum checksum;
  for (int i = 0; i < text_.count(); ++i) {
    checksum.add_list(text_.pieces(i));
  }
  return identity_of("sequences", text_.count(), checksum);
}

}  // namespace attune
