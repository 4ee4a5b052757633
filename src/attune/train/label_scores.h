// How well labels are told, as training prints it at its end and validations read it.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "attune/data/labels.h"
#include "attune/decode/label_predictions.h"
#include "attune/metrics/classification.h"
#include "attune/metrics/span_f1.h"

namespace attune {

struct LabelScore {
  double nll = 0;  // of the gold labels, natural logarithm, per label
  ClassificationScore labels;
  std::optional<SpanScore> spans = {};  // where the labels are IOB2 tags
};

LabelScore label_score(std::span<const LogProbabilities> predicted, std::span<const int> gold, int labels);
// Words of sentences.
LabelScore tagging_score(std::span<const std::vector<LogProbabilities>> predicted,
                         std::span<const std::vector<int>> gold, const Labels& labels);

}  // namespace attune
