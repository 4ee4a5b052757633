#include "attune/models/task.h"

#include <array>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/models/encoder_model.h"
#include "attune/models/label_models.h"
#include "attune/models/language_model.h"
#include "attune/models/model.h"

namespace attune {

namespace {

// The last ten of translation: of comparisons, which translate.
constexpr std::array<std::string_view, 26> translation_keys{"max-positions",       "tokenizer",
                                                            "vocab-size",          "lowercase",
                                                            "embedding-scale",     "embedding-initialiser",
                                                            "tied-embeddings",     "encoder-layers",
                                                            "encoder-mixer",       "decoder-layers",
                                                            "decoder-mixer",       "cross-mixer",
                                                            "joint-vocabulary",    "max-train-length",
                                                            "word-dropout",        "valid-bleu",
                                                            "valid-beam-size",     "test",
                                                            "length-bounds",       "beam-size",
                                                            "length-penalty",      "length-penalty-alpha",
                                                            "min-decoding-length", "max-decoding-length",
                                                            "stopping-rule",       "allow-unknown"};
constexpr std::array<std::string_view, 14> masked_language_model_keys{
    "encoder-layers",  "encoder-mixer",     "max-positions",        "tokenizer",
    "vocab-size",      "lowercase",         "embedding-scale",      "embedding-initialiser",
    "tied-embeddings", "embedding-norm",    "prediction-transform", "next-sentence",
    "sequence-length", "whole-word-masking"};
constexpr std::array<std::string_view, 11> language_model_keys{
    "decoder-layers",  "decoder-mixer",         "max-positions",   "tokenizer",       "vocab-size", "lowercase",
    "embedding-scale", "embedding-initialiser", "tied-embeddings", "sequence-length", "completions"};
constexpr std::array<std::string_view, 13> classification_keys{
    "encoder-layers",  "encoder-mixer",         "max-positions",  "tokenizer",        "vocab-size", "lowercase",
    "embedding-scale", "embedding-initialiser", "embedding-norm", "max-train-length", "labels",     "pooling",
    "binary-head"};
constexpr std::array<std::string_view, 11> tagging_keys{
    "encoder-layers",  "encoder-mixer",         "max-positions",  "tokenizer",        "vocab-size", "lowercase",
    "embedding-scale", "embedding-initialiser", "embedding-norm", "max-train-length", "labels"};
constexpr std::array<std::string_view, 7> image_classification_keys{
    "encoder-layers", "encoder-mixer", "labels", "image-size", "image-channels", "patch-size", "shift"};

void as_they_are(ModelConfig&) {}
void anything(const ModelConfig&) {}

template <class Kind>
std::unique_ptr<Network> make(const ModelConfig& config) {
  return std::make_unique<Kind>(config);
}

std::unique_ptr<Network> make_translation(const ModelConfig& config) {
  return make_model(config);
}

OutputCost target_output_cost(const ModelConfig& config, const CostOptions&) {
  return {.multiply_adds = int64_t{config.target_vocabulary} * config.width, .classes = config.target_vocabulary};
}

}  // namespace

std::span<const Task> tasks() {
  static constexpr std::array table{
      Task{translation_task, translation_keys, as_they_are, anything, make_translation, target_output_cost, true},
      Task{"masked_language_model", masked_language_model_keys, set_masked_language_model_defaults,
           check_masked_language_model, make<MaskedLanguageModel>, masked_language_model_output_cost, true},
      Task{language_model_task, language_model_keys, as_they_are, check_language_model, make<LanguageModel>,
           target_output_cost, true},
      Task{"classification", classification_keys, as_they_are, check_classification, make<ClassificationModel>,
           classification_output_cost, false},
      Task{"tagging", tagging_keys, as_they_are, check_tagging, make<TaggingModel>, tagging_output_cost, false},
      Task{image_task, image_classification_keys, set_image_classification_defaults, check_image_classification,
           make<ImageModel>, image_classification_output_cost, false},
  };
  return table;
}

const Task& task_of_name(std::string_view word) {
  return entry_of_word("task", word, tasks(), &Task::word);
}

std::unique_ptr<Network> make_network(const ModelConfig& config) {
  check_config(config);
  return task_of_name(config.task).make(config);
}

}  // namespace attune
