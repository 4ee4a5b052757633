// What a training run knows apart from its buffers: where it is in the data, what it has seen since the last report,
// the best validation. Written to a checkpoint's state.json; numbers come back with the same bits.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace attune {

// Sums over the updates between two reports.
struct Interval {
  int64_t updates = 0;
  double loss = 0, nll = 0;  // over what is counted (BatchLoss)
  int64_t counted = 0;
  int64_t tokens = 0;        // source and target
  double gradient_norm = 0;  // over updates
  double learning_rate = 0;  // of the last update
  double seconds = 0;
};

struct TrainState {
  int64_t update = 0;
  int64_t epoch = 0;  // from 0, with `batch` the next batch to be read
  int batch = 0;
  int64_t optimizer_steps = 0;
  double seconds = 0;           // spent in updates
  int64_t tokens = 0;           // source and target, of all updates; </s> included
  Interval interval, reported;  // since the last report; what that one was made of
  int64_t log_lines = 0;        // of training.jsonl that belong to this state
  int64_t validated_update = -1;
  std::optional<double> best_nll = {};  // per token, of the best validation
  int64_t best_update = 0;
  int without_improvement = 0;  // validations
  double plateau_scale = 1;
  bool scheduled = true;  // saved when save-freq said so, not because of an interruption or the end
  std::map<std::string, std::string> config = {};
};

std::string to_json(const TrainState& state);
TrainState read_state(const std::string& json, const std::string& where);

}  // namespace attune
