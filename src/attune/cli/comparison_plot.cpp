#include "attune/cli/comparison_plot.h"

#include <algorithm>
#include <filesystem>

#include "attune/cli/length_buckets.h"
#include "attune/models/task.h"

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

// In the order of their rows.
std::vector<std::string> configs_of(const std::vector<ComparedRow>& rows) {
  std::vector<std::string> configs;
  for (const ComparedRow& row : rows) {
    if (std::find(configs.begin(), configs.end(), row.row.config) == configs.end()) {
      configs.push_back(row.row.config);
    }
  }
  return configs;
}

std::string name_of(const std::string& config) {
  return std::filesystem::path(config).stem().string();
}

// Of a config's rows that have the figure.
Mean figure_of(const std::vector<ComparedRow>& rows, const std::string& config, const std::string& key) {
  Mean mean;
  for (const ComparedRow& row : rows) {
    const auto figure = row.result.figures.find(key);
    if (row.row.config == config && figure != row.result.figures.end()) {
      mean.add(figure->second);
    }
  }
  return mean;
}

}  // namespace

LinePlot length_plot(const std::vector<ComparedRow>& rows) {
  LinePlot plot{.title = "BLEU against the length of the source", .x = {"words of the source"}, .y = {"BLEU"}};
  const ComparisonRow& first = rows.front().row;
  const std::vector<LengthBucket> buckets = length_buckets(first.length_bounds);
  const std::vector<Mean> words = words_by_bucket(buckets, read_corpus(first.test).source);
  for (const std::string& config : configs_of(rows)) {
    LinePlot::Line line{.name = name_of(config)};
    for (size_t b = 0; b < buckets.size(); ++b) {
      const Mean bleu = figure_of(rows, config, "bleu_" + buckets[b].key());
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

LinePlot quality_plot(const std::vector<ComparedRow>& rows) {
  // Of what is told of labels the score, of text the loss.
  Axis y{"loss (nats)", Scale::linear, false};
  std::string key = "valid_nll";
  if (!task_of_name(rows.front().row.run.config.task).has_perplexity) {
    const bool spans = figure_of(rows, rows.front().row.config, "valid_f1").count > 0;
    y.label = spans ? "span F1" : "accuracy";
    key = spans ? "valid_f1" : "valid_accuracy";
  }
  LinePlot plot{.title = "Quality against what it costs", .x = {"microseconds of training a token"}, .y = y};
  for (const std::string& config : configs_of(rows)) {
    const Mean score = figure_of(rows, config, key), speed = figure_of(rows, config, "tokens_per_second");
    if (score.count > 0 && speed.count > 0) {
      plot.lines.push_back({.name = name_of(config), .points = {{1e6 / speed.value(), score.value()}}});
    }
  }
  return plot;
}

}  // namespace attune::cli
