#include "attune/train/resume.h"

#include "attune/base/check.h"
#include "attune/base/checksum.h"
#include "attune/base/text.h"

namespace attune {
namespace {

uint32_t checksum_of(const std::vector<Example>& examples) {
  Checksum checksum;
  for (const Example& example : examples) {
    for (const std::vector<int>* ids : {&example.source, &example.target}) {
      const auto size = static_cast<uint64_t>(ids->size());
      checksum.add(&size, sizeof size);
      checksum.add(ids->data(), ids->size() * sizeof(int));
    }
  }
  return checksum.value();
}

}  // namespace

std::map<std::string, std::string> run_config(const TrainOptions& options, const ModelConfig& model,
                                              const std::vector<Example>& examples,
                                              const std::map<std::string, std::string>& identity) {
  std::map<std::string, std::string> config = options_text(options);
  ModelConfig::visit(model, [&](const char* key, const auto& value, const char*) { config[key] = text_of(value); });
  config["source vocabulary"] = std::to_string(model.source_vocabulary);
  config["target vocabulary"] = std::to_string(model.target_vocabulary);
  config["training examples"] = std::to_string(examples.size());
  config["training examples' checksum"] = std::to_string(checksum_of(examples));
  config.insert(identity.begin(), identity.end());
  return config;
}

void check_same_run(const std::map<std::string, std::string>& saved, const std::map<std::string, std::string>& now,
                    const TrainOptions& options, const std::string& where) {
  const std::set<std::string> free = resumable_keys(options);
  std::string differing;
  std::set<std::string> keys;
  for (const auto* side : {&saved, &now}) {
    for (const auto& [key, value] : *side) {
      keys.insert(key);
    }
  }
  const auto value_in = [](const auto& side, const std::string& key) {
    const auto found = side.find(key);
    return found == side.end() ? std::string("nothing") : found->second;
  };
  for (const std::string& key : keys) {
    const std::string before = value_in(saved, key), value = value_in(now, key);
    if (before != value && free.count(key) == 0) {
      differing += "\n  " + key + ": " + before + " in the checkpoint, " + value + " now";
    }
  }
  check_usage(differing.empty(), where,
              ": holds a run with other settings; resume it with its own, or train into another ",
              "directory. Different are:", differing);
}

}  // namespace attune
