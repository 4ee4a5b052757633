// Language modelling: cross entropy of every piece of a text given those before it in its sequence; of lines with a
// prompt, of every piece of their completions.
#pragma once

#include <vector>

#include "attune/data/text_stream.h"
#include "attune/models/language_model.h"
#include "attune/train/objective.h"
#include "attune/train/options.h"

namespace attune {

// Counted are all pieces that are predicted.
BatchLoss language_loss(const LanguageModel& model, const TextBatch& batch, double label_smoothing, const Pass& pass);

struct LanguageScore {
  double nll = 0;       // per predicted piece
  double accuracy = 0;  // share of them that are more probable than every other piece; line ends behind completions,
                        // which are no part of them, are not counted here
};
// Every predicted piece once, without a tape; the sequences of a stream follow one another.
struct LanguageScoring {
  int batch_tokens = 4096, sequence_length = 128;
  DType compute = DType::float32;
};
LanguageScore language_score(const LanguageModel& model, const TextStream& text, const LanguageScoring& how);

class LanguageObjective : public Objective {
 public:
  // Borrows all of them; valid may be none.
  LanguageObjective(LanguageModel& model, const TextStream& text, const TextStream* valid, const TrainOptions& options);

  Network& network() override { return model_; }
  int batches(int64_t epoch) override { return static_cast<int>(plan(epoch).size()); }
  BatchLoss loss(int64_t epoch, int index, const Pass& pass) override;
  bool has_validation() const override { return valid_ != nullptr; }
  // Of language_score().
  ValidationFigures validate() override;
  // Of the n-grams the one that tells most; of pieces and words, whose tables are too sparse for more, the unigram.
  std::optional<Baseline> baseline() const override;
  const std::vector<Baseline>& ngrams() const { return ngrams_; }
  std::map<std::string, std::string> identity() const override;

 private:
  using Plan = std::vector<std::vector<Window>>;
  // The sequences of an epoch begin at other places than those of the last one.
  const Plan& plan(int64_t epoch);

  LanguageModel& model_;
  const TextStream& text_;
  const TextStream* valid_;
  const TrainOptions& options_;
  std::vector<Baseline> ngrams_;
  int64_t planned_ = -1;
  Plan plan_;
};

}  // namespace attune
