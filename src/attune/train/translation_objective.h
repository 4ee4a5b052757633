// Translation as an objective: cross entropy of the next target piece, validated by the same without dropout and, if
// wanted, by BLEU.
#pragma once

#include <functional>
#include <vector>

#include "attune/data/batches.h"
#include "attune/models/model.h"
#include "attune/train/objective.h"
#include "attune/train/options.h"

namespace attune {

// Of the options label-smoothing and word-dropout; counted are target tokens, </s> included.
BatchLoss translation_loss(const Model& model, const Batch& batch, const TrainOptions& options, const Pass& pass);

struct Validation {
  std::vector<Example> examples = {};  // none: no validation; long and empty ones count too
  // Translates and scores, for valid-bleu; called with the weights in place. Not given: no BLEU.
  std::function<double(const Model&)> bleu = {};
};

struct ValidationOptions {
  int batch_tokens = 4096;
  DType compute = DType::float32;
};
// Natural logarithm, per target token (</s> included).
double validation_nll(const Model& model, const std::vector<Example>& examples, const ValidationOptions& options);

class TranslationObjective : public Objective {
 public:
  // Borrows model, data and options.
  TranslationObjective(Model& model, Batcher& data, const TrainOptions& options, Validation validation = {})
      : model_(model), data_(data), options_(options), validation_(std::move(validation)) {}

  Network& network() override { return model_; }
  int batches(int64_t epoch) override { return data_.batches(epoch); }
  BatchLoss loss(int64_t epoch, int index, const Pass& pass) override;
  bool has_validation() const override { return !validation_.examples.empty(); }
  ValidationFigures validate() override;
  std::map<std::string, std::string> identity() const override;

 private:
  Model& model_;
  Batcher& data_;
  const TrainOptions& options_;
  Validation validation_;
};

}  // namespace attune
