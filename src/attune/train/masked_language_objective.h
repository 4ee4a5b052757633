// Masked language modelling as an objective (Devlin 2019): cross entropy of the pieces that were masked, and of whether
// the second part of a sequence follows the first, when the model has that.
#pragma once

#include <vector>

#include "attune/data/masked_text.h"
#include "attune/models/encoder_model.h"
#include "attune/train/objective.h"
#include "attune/train/options.h"

namespace attune {

// Counted are masked positions. Next sentences weigh as in BERT: the mean over sequences is added to the mean over
// masked positions. `right` counts the next sentences that are told rightly.
struct MaskedLoss {
  BatchLoss batch;
  int64_t right = 0;
};
MaskedLoss masked_language_loss(const MaskedLanguageModel& model, const MaskedBatch& batch, double label_smoothing,
                                const Pass& pass);

class MaskedLanguageObjective : public Objective {
 public:
  // Borrows all of them; valid may be none.
  MaskedLanguageObjective(MaskedLanguageModel& model, const PackedText& text, const PackedText* valid,
                          const TrainOptions& options);

  Network& network() override { return model_; }
  int batches(int64_t epoch) override { return static_cast<int>(plan(epoch).size()); }
  BatchLoss loss(int64_t epoch, int index, const Pass& pass) override;
  bool has_validation() const override { return valid_ != nullptr; }
  // The masks of the validation text are always the same, whatever the seed, so that runs compare.
  ValidationFigures validate() override;
  std::optional<Baseline> baseline() const override { return unigram_; }
  std::map<std::string, std::string> identity() const override;

 private:
  MaskingOptions masking() const;
  std::vector<MaskedBatch> validation_batches() const;
  const std::vector<std::vector<int>>& plan(int64_t epoch);

  MaskedLanguageModel& model_;
  const PackedText& text_;
  const PackedText* valid_;
  const TrainOptions& options_;
  std::optional<Baseline> unigram_;
  int64_t planned_ = -1;
  std::vector<std::vector<int>> plan_;
};

// -log p of the masked pieces on average, p their share of the text's pieces (one added to each count, so that unseen
// ones have one): what can be told without looking at the sentence.
double unigram_nll(const PackedText& text, int vocabulary, std::span<const MaskedBatch> masked);

}  // namespace attune
