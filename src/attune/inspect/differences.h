// Where two models part: both read the same pairs, and what their modules put out is compared in the order in which it
// is computed. For two types of products, two runs, two versions of a file or of the program.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "attune/models/model.h"

namespace attune {

struct ComparedModel {
  const Model* model = nullptr;
  DType compute = DType::float32;  // of its matrix products
};

struct ModuleDifference {
  std::string module;       // "encoder.layers.0.self_attention.output"; last "logits"
  double largest = 0;       // of |a - b|
  double scale = 0;         // of |a|, largest
  double a = 0, b = 0;      // where they differ most
  int pair = 0;             // there: the pair, from 0,
  std::vector<int64_t> at;  // and the place in the module's output
  double relative() const;  // largest / scale; infinite where only one of both is finite
};

struct Differences {
  std::vector<ModuleDifference> modules;  // in the order of computation
  std::optional<size_t> first;            // of those, the first that differs by more than the tolerance
};

// The pairs are read one by one, their targets given. tolerance: of relative(). Throws a UsageError when the models are
// not made of the same modules, naming the first two that are not alike.
Differences find_differences(const ComparedModel& a, const ComparedModel& b, std::span<const Example> pairs,
                             double tolerance);

}  // namespace attune
