// The checkpoints of one training, one after another.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "attune/models/network.h"

namespace attune {

// Gives `model` the weights of each checkpoint that is left in the model directory, the oldest first, and calls
// each(update). Throws when none is left, or when one does not verify.
void for_each_checkpoint(const std::string& directory, Network& model, const std::function<void(int64_t update)>& each);

}  // namespace attune
