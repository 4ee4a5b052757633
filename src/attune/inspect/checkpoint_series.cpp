#include "attune/inspect/checkpoint_series.h"

#include <algorithm>

#include "attune/autograd/parameter_files.h"
#include "attune/base/check.h"
#include "attune/train/checkpoint.h"

namespace attune {

void for_each_checkpoint(const std::string& directory, Network& model,
                         const std::function<void(int64_t update)>& each) {
  const Checkpoints checkpoints(directory + "/checkpoints");
  std::vector<int64_t> updates = checkpoints.updates();
  std::reverse(updates.begin(), updates.end());
  check(!updates.empty(), directory, "/checkpoints: no checkpoint is left; attune train --keep-last N keeps them");
  for (const int64_t update : updates) {
    load_parameters(model.parameters(), checkpoints.weights_of(update), checkpoints.path_of(update));
    each(update);
  }
}

}  // namespace attune
