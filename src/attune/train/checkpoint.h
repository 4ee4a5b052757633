// Crash-safe checkpoints: everything of one update in a directory step-N, written as step-N.tmp, each file fsynced, the
// manifest with sizes and CRC-32 last, then renamed. The two newest are whole states; of older ones the weights alone
// are kept, as many as asked for. Reading takes the newest whose manifest verifies.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "attune/tensor/tensor.h"
#include "attune/train/state.h"

namespace attune {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

struct Checkpoint {
  TrainState state;
  std::map<std::string, Tensor> weights;  // by parameter
  std::map<std::string, Tensor> buffers;  // flat: "optimizer.m", "moving_average", "best", ...
};

class Checkpoints {
 public:
  explicit Checkpoints(std::string directory) : directory_(std::move(directory)) {}

  // keep_weights: scheduled checkpoints, the whole ones included, whose weights stay. Throws when it cannot be written;
  // then the ones before are as they were.
  struct Retention {
    int keep_weights = 0;
  };
  void save(const TrainState& state, const NamedTensors& weights, const NamedTensors& buffers,
            const Retention& retention);

  struct Found {
    std::optional<Checkpoint> checkpoint;  // the newest whole one that verifies
    std::vector<std::string> skipped;      // "path: why", newest first
    std::vector<std::string> damaged;      // the directories of `skipped`
  };
  Found newest() const;
  // Renames damaged checkpoints to step-N.damaged and removes what an interrupted writing left. Call it when a run goes
  // on, so that they are not taken for its own.
  void clean(const Found& found) const;

  // Weights of the newest `count` scheduled checkpoints up to `update`, newest first; what does not verify is named in
  // `skipped` and left out.
  std::vector<std::map<std::string, Tensor>> last_weights(int count, int64_t update,
                                                          std::vector<std::string>* skipped) const;

  std::vector<int64_t> updates() const;  // of the directories step-N, newest first
  // The weights after that update. Throws when its checkpoint does not verify.
  std::map<std::string, Tensor> weights_of(int64_t update) const;
  std::string path_of(int64_t update) const { return directory_ + "/step-" + std::to_string(update); }

 private:
  void retain(const Retention& retention) const;

  std::string directory_;
};

}  // namespace attune
