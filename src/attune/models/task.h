// The table of tasks: what a model is for decides what is read, what stands behind the last layer, and which keys mean
// something. Whatever goes over all tasks (config words, defaults, files, describe) goes over this table.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "attune/models/config.h"
#include "attune/models/cost.h"
#include "attune/models/network.h"

namespace attune {

struct Task {
  std::string_view word;
  // Keys, of the model and of the training, that mean nothing to some other task; all other keys every task reads.
  std::span<const std::string_view> keys;
  // What differs from the architecture's defaults.
  void (*set_defaults)(ModelConfig& config);
  // Throws a UsageError for what this task's models cannot be; check_config has looked at single values and asked the
  // architecture.
  void (*check)(const ModelConfig& config);
  std::unique_ptr<Network> (*make)(const ModelConfig& config);
  OutputCost (*output_cost)(const ModelConfig& config, const CostOptions& options);
  bool has_perplexity;  // the loss is of pieces of text: its exponential says among how many the model hesitates
};
std::span<const Task> tasks();
// Throws a UsageError that lists the known words.
const Task& task_of_name(std::string_view word);

inline constexpr std::string_view translation_task = "translation";
inline constexpr std::string_view language_model_task = "language_model";
// Whether the model is an encoder and a decoder.
inline bool translates(const ModelConfig& config) {
  return config.task == translation_task;
}
inline bool has_decoder(const ModelConfig& config) {
  return translates(config) || config.task == language_model_task;
}
inline bool has_encoder(const ModelConfig& config) {
  return config.task != language_model_task;
}
// Whether the model is an encoder with a head.
inline bool is_encoder_task(const ModelConfig& config) {
  return !has_decoder(config);
}

inline constexpr std::string_view image_task = "image_classification";
// Whether the model reads pieces of text, by a vocabulary.
inline bool reads_text(const ModelConfig& config) {
  return config.task != image_task;
}

// The config's model, its parameters declared but not allocated.
std::unique_ptr<Network> make_network(const ModelConfig& config);

}  // namespace attune
