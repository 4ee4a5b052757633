// Validation: negative log-likelihood per target token without dropout and without a tape, on the weights that will be
// the model (the moving average's when there is one), and whatever the caller translates and scores.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "attune/data/batches.h"
#include "attune/models/model.h"

namespace attune {

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

// While it lives, the parameters hold another flat buffer's elements, and that buffer theirs.
class SwappedWeights {
 public:
  SwappedWeights(Parameters& parameters, Tensor& other);
  ~SwappedWeights();
  SwappedWeights(const SwappedWeights&) = delete;
  SwappedWeights& operator=(const SwappedWeights&) = delete;

 private:
  Parameters& parameters_;
  Tensor& other_;
};

}  // namespace attune
