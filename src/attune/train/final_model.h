// The end of a run: which weights become the model, and the marker that says the run is over.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attune/autograd/parameters.h"
#include "attune/train/checkpoint.h"

namespace attune {

// The mean of the current weights and the newest count-1 scheduled checkpoints before `update`, summed in double,
// oldest last. Fewer when fewer are there; `skipped` names those that do not verify.
Tensor average_weights(const Parameters& parameters, const Checkpoints& checkpoints, int count, int64_t update,
                       std::vector<std::string>* skipped);

// model.safetensors in float32 from a flat buffer laid out like the parameters.
void write_model(const std::string& directory, const Parameters& parameters, const Tensor& flat);

std::string model_path(const std::string& directory);

struct FinishedMarker {
  int64_t update = 0;
  std::string stopped_by;
};
std::string finished_path(const std::string& directory);
void write_finished(const std::string& directory, const FinishedMarker& marker);

}  // namespace attune
