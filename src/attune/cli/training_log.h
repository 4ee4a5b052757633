// What a training run says while it works: a live line on a terminal, in a log a line for each report.
#pragma once

#include <string>

#include "attune/cli/console.h"
#include "attune/train/objective.h"
#include "attune/train/options.h"
#include "attune/train/report.h"

namespace attune::cli {

class TrainingLog {
 public:
  TrainingLog(const TrainOptions& options, bool with_perplexity)
      : options_(options), with_perplexity_(with_perplexity) {}
  void progress(const Progress& progress);
  void report(const Report& report) const;

 private:
  const TrainOptions& options_;
  bool with_perplexity_;
  Stopwatch watch_;
  double shown_ = -1;  // seconds on the watch when the live line was last written
};

// "bag of words: nll 0.4512, accuracy 0.7901"
std::string text_of(const Baseline& baseline);

// How far the nearest of the limits (updates, epochs, minutes) is, 0 to 1.
double share_done(const Progress& progress, const TrainOptions& options);

}  // namespace attune::cli
