// When a training run is over.
#pragma once

#include <string>

#include "attune/train/options.h"
#include "attune/train/state.h"

namespace attune {

// The key of the option that ends a run in this state; empty while none does.
std::string reached_limit(const TrainOptions& options, const TrainState& state);

}  // namespace attune
