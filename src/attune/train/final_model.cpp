#include "attune/train/final_model.h"

#include <nlohmann/json.hpp>

#include "attune/autograd/parameter_files.h"
#include "attune/base/profile.h"
#include "attune/tensor/atomic_file.h"
#include "attune/tensor/safetensors.h"

namespace attune {

Tensor average_weights(const Parameters& parameters, const Checkpoints& checkpoints, int count, int64_t update,
                       std::vector<std::string>* skipped) {
  const auto older = checkpoints.last_weights(count - 1, update - 1, skipped);
  Tensor sum = parameters.flat().to(DType::float64).clone();
  for (const auto& weights : older) {
    for (size_t i = 0; i < parameters.entries().size(); ++i) {
      const auto& entry = parameters.entries()[i];
      const auto found = weights.find(entry.name);
      check(found != weights.end() && found->second.shape() == entry.parameter->shape(),
            "averaging: a checkpoint has no ", entry.name, " ", entry.parameter->shape());
      Tensor into = parameters.view_of(sum, i);
      const Tensor from = found->second.to(DType::float64);
      auto y = into.data<double>();
      const auto x = from.data<double>();
      for (size_t j = 0; j < y.size(); ++j) {
        y[j] += x[j];
      }
    }
  }
  const double share = 1.0 / static_cast<double>(older.size() + 1);
  for (double& value : sum.data<double>()) {
    value *= share;
  }
  return sum.to(parameters.dtype());
}

void write_model(const std::string& directory, const Parameters& parameters, const Tensor& flat) {
  const ProfileScope scope("write_model");
  write_safetensors(model_path(directory), named_tensors(parameters, flat.to(DType::float32)), {{"format", "attune"}});
}

std::string model_path(const std::string& directory) {
  return directory + "/model.safetensors";
}
std::string finished_path(const std::string& directory) {
  return directory + "/finished.json";
}

void write_finished(const std::string& directory, const FinishedMarker& marker) {
  const nlohmann::ordered_json json = {{"update", marker.update}, {"stopped_by", marker.stopped_by}};
  write_file_atomically(finished_path(directory), json.dump() + "\n");
}

}  // namespace attune
