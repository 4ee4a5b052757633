#include "attune/train/label_scores.h"

#include <algorithm>

namespace attune {

namespace {

std::vector<std::string> names_of(std::span<const int> tags, const Labels& labels) {
  std::vector<std::string> names;
  for (const int tag : tags) {
    names.push_back(labels.name(tag));
  }
  return names;
}

}  // namespace

LabelScore label_score(std::span<const LogProbabilities> predicted, std::span<const int> gold, int labels) {
  LabelScore score;
  score.labels = classification_score(most_probable(predicted), gold, labels);
  for (size_t i = 0; i < gold.size(); ++i) {
    score.nll -= predicted[i][static_cast<size_t>(gold[i])];
  }
  score.nll /= static_cast<double>(gold.size());
  return score;
}

LabelScore tagging_score(std::span<const std::vector<LogProbabilities>> predicted,
                         std::span<const std::vector<int>> gold, const Labels& labels) {
  std::vector<LogProbabilities> words;
  std::vector<int> tags;
  std::vector<std::vector<std::string>> predicted_names, gold_names;
  for (size_t i = 0; i < gold.size(); ++i) {
    words.insert(words.end(), predicted[i].begin(), predicted[i].end());
    tags.insert(tags.end(), gold[i].begin(), gold[i].end());
    predicted_names.push_back(names_of(most_probable(predicted[i]), labels));
    gold_names.push_back(names_of(gold[i], labels));
  }
  LabelScore score = label_score(words, tags, labels.count());
  if (std::all_of(labels.names().begin(), labels.names().end(), is_iob2)) {
    score.spans = span_f1(predicted_names, gold_names);
  }
  return score;
}

}  // namespace attune
