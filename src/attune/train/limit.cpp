#include "attune/train/limit.h"

namespace attune {

std::string reached_limit(const TrainOptions& options, const TrainState& state) {
  if (options.max_update > 0 && state.update >= options.max_update) {
    return "max-update";
  }
  if (options.max_epoch > 0 && state.epoch >= options.max_epoch) {
    return "max-epoch";
  }
  if (options.max_minutes > 0 && state.seconds >= 60 * options.max_minutes) {
    return "max-minutes";
  }
  if (options.patience > 0 && state.without_improvement >= options.patience) {
    return "patience";
  }
  return "";
}

}  // namespace attune
