#include "attune/cli/label_report.h"

#include <algorithm>

#include "attune/cli/console.h"

namespace attune::cli {

namespace {

constexpr int widest_matrix = 20;  // labels

int name_width(const Labels& labels) {
  int width = 5;
  for (const std::string& name : labels.names()) {
    width = std::max(width, columns(name));
  }
  return width;
}

std::string table_of_labels(const ClassificationScore& score, const Labels& labels) {
  const int width = name_width(labels);
  std::string text = fmt::format("{}  precision  recall      F1      gold\n", padded("label", width));
  for (int i = 0; i < labels.count(); ++i) {
    const ClassScore& of = score.classes[static_cast<size_t>(i)];
    text += fmt::format("{}     {:.4f}  {:.4f}  {:.4f}  {:>8}\n", padded(labels.name(i), width), of.precision,
                        of.recall, of.f1, with_separators(of.gold));
  }
  return text;
}

std::string confusion_matrix(const ClassificationScore& score, const Labels& labels) {
  const int width = name_width(labels);
  const int64_t most = *std::max_element(score.confusion.begin(), score.confusion.end());
  const int cell = std::max(width, columns(with_separators(most))) + 2;
  std::string text = "confusion, a row for each gold label, a column for each predicted one\n" + padded("", width);
  for (const std::string& name : labels.names()) {
    text += right_aligned(name, cell);
  }
  for (int gold = 0; gold < labels.count(); ++gold) {
    text.append("\n").append(padded(labels.name(gold), width));
    for (int predicted = 0; predicted < labels.count(); ++predicted) {
      const auto at = static_cast<size_t>(gold * labels.count() + predicted);
      text += right_aligned(with_separators(score.confusion[at]), cell);
    }
  }
  return text + "\n";
}

}  // namespace

std::string label_report(const LabelScore& score, const Labels& labels, const std::string& what) {
  const auto counted = [&] {
    int64_t count = 0;
    for (const ClassScore& of : score.labels.classes) {
      count += of.gold;
    }
    return count;
  }();
  std::string text = fmt::format("{}: accuracy {:.4f}, macro F1 {:.4f}, nll {:.4f} over {}\n", what,
                                 score.labels.accuracy, score.labels.macro_f1, score.nll, with_separators(counted));
  if (score.spans) {
    text +=
        fmt::format("spans: F1 {:.4f}, precision {:.4f}, recall {:.4f}; {} gold, {} predicted, {} correct\n",
                    score.spans->f1, score.spans->precision, score.spans->recall, with_separators(score.spans->gold),
                    with_separators(score.spans->predicted), with_separators(score.spans->correct));
  }
  text += table_of_labels(score.labels, labels);
  if (labels.count() <= widest_matrix) {
    text += confusion_matrix(score.labels, labels);
  } else {
    text += fmt::format("confusion matrix: left out, for {} labels\n", labels.count());
  }
  return text;
}

}  // namespace attune::cli
