#include "attune/models/model_directory.h"

#include <filesystem>
#include <vector>

#include "attune/autograd/parameter_files.h"
#include "attune/base/check.h"
#include "attune/base/profile.h"
#include "attune/models/task.h"
#include "attune/tensor/atomic_file.h"
#include "attune/tensor/safetensors.h"

namespace attune {

namespace {

namespace fs = std::filesystem;

std::string tokenizer_path(const std::string& directory, const ModelConfig& config, const char* side) {
  return directory + "/" + (config.joint_vocabulary ? "joint" : side) +
         std::string(file_ending(tokenizer_kind(config.tokenizer)));
}

}  // namespace

TokenizerOptions tokenizer_options(const ModelConfig& config) {
  TokenizerOptions options;
  options.kind = tokenizer_kind(config.tokenizer);
  options.vocab_size = config.vocab_size;
  options.lowercase = config.lowercase;
  options.mask_pieces = is_encoder_task(config);
  return options;
}

Tokenizers train_tokenizers(const ModelConfig& config, std::span<const std::string> source,
                            std::span<const std::string> target) {
  const TokenizerOptions options = tokenizer_options(config);
  Tokenizers result;
  if (config.joint_vocabulary) {
    result.source = Tokenizer::train(std::vector<std::span<const std::string>>{source, target}, options);
    result.target = result.source;
  } else {
    result.source = Tokenizer::train(source, options);
    result.target = Tokenizer::train(target, options);
  }
  return result;
}

Tokenizers load_tokenizers(const std::string& directory, const ModelConfig& config) {
  const TokenizerOptions options = tokenizer_options(config);
  Tokenizers result;
  result.source = Tokenizer::load(tokenizer_path(directory, config, "source"), options);
  result.target =
      config.joint_vocabulary ? result.source : Tokenizer::load(tokenizer_path(directory, config, "target"), options);
  for (const auto& [side, tokenizer, size] : {std::tuple{"source", result.source.get(), config.source_vocabulary},
                                              std::tuple{"target", result.target.get(), config.target_vocabulary}}) {
    check(tokenizer->vocab_size() == size, directory, ": the ", side, " tokenizer has ", tokenizer->vocab_size(),
          " pieces, config.json says ", size);
  }
  return result;
}

void save_tokenizers(const std::string& directory, const ModelConfig& config, const Tokenizers& tokenizers) {
  // A run with another config may have failed here before its first checkpoint.
  for (const char* side : {"joint", "source", "target"}) {
    for (const TokenizerKind kind :
         {TokenizerKind::unigram, TokenizerKind::words, TokenizerKind::characters, TokenizerKind::bytes}) {
      std::error_code ignored;
      fs::remove(directory + "/" + side + std::string(file_ending(kind)), ignored);
    }
  }
  tokenizers.source->save(tokenizer_path(directory, config, "source"));
  if (!config.joint_vocabulary) {
    tokenizers.target->save(tokenizer_path(directory, config, "target"));
  }
}

std::string labels_path(const std::string& directory) {
  return directory + "/labels.txt";
}

Labels load_labels(const std::string& directory, const ModelConfig& config) {
  Labels labels = load_labels(labels_path(directory));
  check(labels.count() == config.labels, directory, ": labels.txt has ", labels.count(), " labels, config.json says ",
        config.labels);
  return labels;
}

ModelConfig load_config(const std::string& directory) {
  const std::string path = directory + "/config.json";
  check(fs::exists(path), path, ": no such file; is this a model directory?");
  constexpr uint64_t largest = 1 << 20;  // no config is larger
  return read_config(read_file(path, largest), path);
}

void save_config(const std::string& directory, const ModelConfig& config) {
  write_file_atomically(directory + "/config.json", to_json(config));
}

ModelConfig load_config_for(std::string_view task, const std::string& directory) {
  check(fs::exists(directory), directory, ": no such directory");
  check(fs::is_directory(directory), directory, ": expected a model directory, found a file");
  ModelConfig config = load_config(directory);
  check_usage(config.task == task, directory, ": holds a model for the task ", config.task, ", expected one for ",
              task);
  return config;
}

void load_weights(Network& network, const std::string& directory) {
  const std::string weights = directory + "/model.safetensors";
  check(fs::exists(weights), weights, ": no such file",
        fs::exists(directory + "/checkpoints") ? "; the training has not finished: run attune train again to resume it"
                                               : "");
  const auto tensors = read_safetensors(weights);
  load_parameters(network.parameters(), tensors, weights);
}

LoadedModel load_model(const std::string& directory) {
  const ProfileScope scope("load_model");
  const ModelConfig config = load_config_for(translation_task, directory);
  LoadedModel loaded;
  loaded.tokenizers = load_tokenizers(directory, config);
  loaded.model = make_model(config);
  load_weights(*loaded.model, directory);
  return loaded;
}

}  // namespace attune
