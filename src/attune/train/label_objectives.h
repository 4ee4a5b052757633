// Classification of texts, tagging of words and classification of images as objectives: cross entropy of the label (for
// a head of one logit binary cross entropy), both with label smoothing; validated by the same without it and by
// accuracy or, for IOB2 tags, span F1. Without validation examples there is no validation.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "attune/data/images.h"
#include "attune/data/label_examples.h"
#include "attune/models/label_models.h"
#include "attune/train/label_scores.h"
#include "attune/train/objective.h"
#include "attune/train/options.h"

namespace attune {

// logits [n, labels] or [n, 1], n >= 1 gold labels; smoothing as in ops/cross_entropy.h, whose share is spread over two
// labels for one logit.
struct LabelLoss {
  Tensor loss;     // the sum
  double nll = 0;  // the sum of -log p(gold), unsmoothed
};
LabelLoss label_loss(const Tensor& logits, std::span<const int> gold, double label_smoothing);

// Beside the nll span F1 where there are spans, otherwise accuracy.
ValidationFigures validation_figures(const LabelScore& score);

struct LabelledExamples {
  std::vector<Example> examples;
  std::vector<int> labels;  // of each
};

class ClassificationObjective : public Objective {
 public:
  // Borrows model and options. baseline: computes it when it is first asked for; not given: there is none
  ClassificationObjective(ClassificationModel& model, LabelledExamples train, LabelledExamples valid,
                          const TrainOptions& options, std::function<Baseline()> baseline = {});

  Network& network() override { return model_; }
  int batches(int64_t epoch) override { return data_.batches(epoch); }
  BatchLoss loss(int64_t epoch, int index, const Pass& pass) override;
  bool has_validation() const override { return !valid_.examples.empty(); }
  ValidationFigures validate() override { return validation_figures(score()); }
  std::optional<Baseline> baseline() const override {
    if (!known_baseline_ && baseline_ && has_validation()) {
      known_baseline_ = baseline_();
    }
    return known_baseline_;
  }
  std::map<std::string, std::string> identity() const override;
  LabelScore score() const;  // of the validation examples
  const Batcher& data() const { return data_; }

 private:
  ClassificationModel& model_;
  Batcher data_;
  std::vector<int> labels_;
  LabelledExamples valid_;
  const TrainOptions& options_;
  std::function<Baseline()> baseline_;
  mutable std::optional<Baseline> known_baseline_ = {};
};

struct TaggedExamples {
  WordExamples sentences;
  std::vector<std::vector<int>> tags;  // of each word
};

class TaggingObjective : public Objective {
 public:
  // Borrows model and options. labels: to read spans off the tags.
  TaggingObjective(TaggingModel& model, TaggedExamples train, TaggedExamples valid, const Labels& labels,
                   const TrainOptions& options);

  Network& network() override { return model_; }
  int batches(int64_t epoch) override { return data_.batches(epoch); }
  BatchLoss loss(int64_t epoch, int index, const Pass& pass) override;
  bool has_validation() const override { return !valid_.tags.empty(); }
  ValidationFigures validate() override { return validation_figures(score()); }
  std::map<std::string, std::string> identity() const override;
  LabelScore score() const;  // of the validation examples
  const Batcher& data() const { return data_; }

 private:
  TaggingModel& model_;
  TaggedExamples train_, valid_;
  Labels labels_;
  Batcher data_;
  const TrainOptions& options_;
};

struct ImageExamples {
  Images images;
  std::vector<int> labels;  // of each
};

class ImageObjective : public Objective {
 public:
  // Borrows model, images and options.
  ImageObjective(ImageModel& model, const ImageExamples& train, const ImageExamples& valid,
                 const TrainOptions& options);

  Network& network() override { return model_; }
  int batches(int64_t epoch) override;
  BatchLoss loss(int64_t epoch, int index, const Pass& pass) override;
  bool has_validation() const override { return valid_.images.count > 0; }
  ValidationFigures validate() override { return validation_figures(score()); }
  std::map<std::string, std::string> identity() const override;
  LabelScore score() const;  // of the validation images

 private:
  std::span<const int> batch(int64_t epoch, int index);

  ImageModel& model_;
  const ImageExamples &train_, &valid_;
  const TrainOptions& options_;
  int64_t planned_ = -1;
  std::vector<int> order_;  // of the epoch planned last
};

}  // namespace attune
