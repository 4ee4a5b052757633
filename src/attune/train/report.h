// What a training run says of itself: a report every log-freq updates and after validations, kept as training.jsonl,
// one JSON object a line; and a light sign of life after each update.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "attune/train/objective.h"
#include "attune/train/state.h"

namespace attune {

struct Report {
  int64_t update = 0;
  int64_t epoch = 0;         // from 1
  double loss = 0;           // smoothed, per counted thing (BatchLoss); like nll over the updates since the last report
  double nll = 0;            // natural logarithm, per counted thing
  double perplexity = 0;     // exp(nll)
  double learning_rate = 0;  // of this update
  double gradient_norm = 0;  // of the gradient per token before clipping, mean over those updates
  double tokens_per_second = 0;  // real source and target tokens, </s> included
  double seconds = 0;            // spent in updates since the run began, interruptions, validations and saving left out
  std::optional<double> valid_nll, valid_perplexity;
  std::optional<Score> valid_score;
};

struct Progress {
  int64_t update = 0;
  int64_t epoch = 0;           // from 1
  int batch = 0, batches = 0;  // of the epoch: done, in all
  double loss = 0, nll = 0;    // of this update, per counted thing
  double learning_rate = 0;
  double tokens_per_second = 0;  // of this update
  double seconds = 0;
};

// A sum over `count` things for one of them; 0 when there are none.
inline double per(double sum, int64_t count) {
  return count > 0 ? sum / static_cast<double>(count) : 0;
}

// What the updates of state.reported were like.
Report report_of(const TrainState& state, int64_t epoch);

std::string to_json(const Report& report);  // one line without its end

class ReportLog {
 public:
  explicit ReportLog(std::string path) : path_(std::move(path)) {}
  // Keeps the first `lines` lines: what a run that goes on from a checkpoint had written by then.
  void keep(int64_t lines);
  void append(const Report& report);
  int64_t lines() const { return lines_; }

 private:
  std::string path_;
  int64_t lines_ = 0;
};

}  // namespace attune
