#include "attune/metrics/classification.h"

#include "attune/base/check.h"

namespace attune {
namespace {

double ratio(int64_t part, int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

ClassificationScore classification_score(std::span<const int> predicted, std::span<const int> gold, int classes) {
  check(predicted.size() == gold.size(), "classification score: ", predicted.size(), " predictions but ", gold.size(),
        " gold labels; both must have one per example, in the same order");
  check(!gold.empty(), "classification score: no examples to score");
  const auto n = static_cast<size_t>(classes);
  ClassificationScore score{0, 0, std::vector<ClassScore>(n), std::vector<int64_t>(n * n)};
  for (size_t i = 0; i < gold.size(); ++i) {
    check(gold[i] >= 0 && gold[i] < classes && predicted[i] >= 0 && predicted[i] < classes,
          "classification score: example ", i, " is of class ", gold[i], " and predicted as ", predicted[i], ", there ",
          "are ", classes, " classes");
    ++score.confusion[static_cast<size_t>(gold[i]) * n + static_cast<size_t>(predicted[i])];
    ++score.classes[static_cast<size_t>(gold[i])].gold;
    ++score.classes[static_cast<size_t>(predicted[i])].predicted;
  }
  int64_t correct = 0, occurring = 0;
  double f1 = 0;
  for (size_t c = 0; c < n; ++c) {
    ClassScore& of = score.classes[c];
    const int64_t both = score.confusion[c * n + c];
    of.precision = ratio(both, of.predicted);
    of.recall = ratio(both, of.gold);
    of.f1 = ratio(2 * both, of.gold + of.predicted);
    correct += both;
    occurring += of.gold + of.predicted > 0 ? 1 : 0;
    f1 += of.f1;
  }
  score.accuracy = ratio(correct, static_cast<int64_t>(gold.size()));
  score.macro_f1 = f1 / static_cast<double>(occurring);
  return score;
}

}  // namespace attune
