#include "attune/cli/comparison_plot.h"

#include <algorithm>
#include <filesystem>

#include "attune/cli/length_buckets.h"

namespace attune::cli {

namespace {

struct Mean {
  double sum = 0;
  int count = 0;
  void add(double value) {
    sum += value;
    ++count;
  }
  double value() const { return sum / count; }
};

std::vector<Mean> words_by_bucket(const std::vector<LengthBucket>& buckets, const std::vector<std::string>& sources) {
  std::vector<Mean> means(buckets.size());
  for (const std::string& source : sources) {
    const int words = words_in(source);
    for (size_t b = 0; b < buckets.size(); ++b) {
      if (buckets[b].holds(words)) {
        means[b].add(words);
      }
    }
  }
  return means;
}

}  // namespace

LinePlot length_plot(const std::vector<ComparedRow>& rows) {
  LinePlot plot{.title = "BLEU against the length of the source", .x = {"words of the source"}, .y = {"BLEU"}};
  const ComparisonRow& first = rows.front().row;
  const std::vector<LengthBucket> buckets = length_buckets(first.length_bounds);
  const std::vector<Mean> words = words_by_bucket(buckets, read_corpus(first.test).source);
  std::vector<std::string> configs;
  for (const ComparedRow& row : rows) {
    if (std::find(configs.begin(), configs.end(), row.row.config) == configs.end()) {
      configs.push_back(row.row.config);
    }
  }
  for (const std::string& config : configs) {
    LinePlot::Line line{.name = std::filesystem::path(config).stem().string()};
    for (size_t b = 0; b < buckets.size(); ++b) {
      Mean bleu;
      for (const ComparedRow& row : rows) {
        const auto figure = row.result.figures.find("bleu_" + buckets[b].key());
        if (row.row.config == config && figure != row.result.figures.end()) {
          bleu.add(figure->second);
        }
      }
      if (bleu.count > 0 && words[b].count > 0) {
        line.points.push_back({words[b].value(), bleu.value()});
      }
    }
    if (!line.points.empty()) {
      plot.lines.push_back(std::move(line));
    }
  }
  int longest = 0;
  for (const std::string& source : read_corpus(first.run.train).source) {
    longest = std::max(longest, words_in(source));
  }
  if (!words.empty() && words.back().count > 0 && longest < words.back().value()) {
    plot.mark = {static_cast<double>(longest), "longest in training"};
  }
  return plot;
}

}  // namespace attune::cli
