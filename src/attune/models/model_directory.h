// A model on disk is a directory: config.json, model.safetensors and the tokenizers' own files (joint.spm, or
// source.spm and target.spm; .words for whitespace words, .characters, .bytes), and labels.txt where there are labels.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "attune/data/labels.h"
#include "attune/models/model.h"
#include "attune/text/tokenizer.h"

namespace attune {

struct Tokenizers {
  std::shared_ptr<const Tokenizer> source, target;  // the same one when joint
};

TokenizerOptions tokenizer_options(const ModelConfig& config);

// Trains what the config asks for on the two sides of a parallel corpus.
Tokenizers train_tokenizers(const ModelConfig& config, std::span<const std::string> source,
                            std::span<const std::string> target);
Tokenizers load_tokenizers(const std::string& directory, const ModelConfig& config);
void save_tokenizers(const std::string& directory, const ModelConfig& config, const Tokenizers& tokenizers);

// labels.txt, of the tasks that have labels. As many as the config says, or an error.
std::string labels_path(const std::string& directory);
Labels load_labels(const std::string& directory, const ModelConfig& config);

struct LoadedModel {
  std::unique_ptr<Model> model;
  Tokenizers tokenizers;
};

ModelConfig load_config(const std::string& directory);
void save_config(const std::string& directory, const ModelConfig& config);

// What a model of any task is loaded by: its config, refused with a UsageError when it is for another task than a
// command needs; and its weights. Strict: every missing, unexpected or misshapen tensor is listed in one error.
ModelConfig load_config_for(std::string_view task, const std::string& directory);
void load_weights(Network& network, const std::string& directory);
// A translation model.
LoadedModel load_model(const std::string& directory);

}  // namespace attune
