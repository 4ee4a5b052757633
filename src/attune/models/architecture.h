// The table of architectures: whatever goes over all of them (config words, defaults, tests, describe) goes over this
// table. A new architecture is a row here, its forms in forms_test.h and a config in examples/.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "attune/models/attention_place.h"
#include "attune/models/config.h"
#include "attune/models/cost.h"
#include "attune/models/model.h"

namespace attune {

struct Architecture {
  std::string_view word;
  // Config keys that mean nothing to some other architecture; all other keys every architecture reads.
  std::span<const std::string_view> keys;
  // What differs from ModelConfig's own defaults.
  void (*set_defaults)(ModelConfig& config);
  // Throws a UsageError for what this architecture cannot be; check_config has looked at single values.
  void (*check)(const ModelConfig& config);
  std::unique_ptr<Model> (*make)(const ModelConfig& config);
  ModelCost (*cost)(const ModelConfig& config, const CostOptions& options);
  // In the order in which they are computed; none where a decoder sees one vector of its source.
  std::vector<AttentionPlace> (*attends)(const ModelConfig& config);
};
std::span<const Architecture> architectures();
// Throws a UsageError that lists the known words.
const Architecture& architecture_of_name(std::string_view word);

// A config of this architecture, for this task, before anything else is said of it.
ModelConfig defaults_of(std::string_view architecture, std::string_view task = "translation");
// Whether a key says something to the config's architecture and task.
bool means_something(const ModelConfig& config, std::string_view key);
// Throws a UsageError when a key that was given says nothing to the config's architecture or task. `origin`: "--heads".
void check_key(const ModelConfig& config, std::string_view key, std::string_view origin);

}  // namespace attune
