#include "attune/train/resume.h"

#include "attune/base/check.h"
#include "attune/base/text.h"
#include "attune/models/architecture.h"

namespace attune {
namespace {

// What a setting was in a run that was saved before its key was there.
std::map<std::string, std::string> defaults_of_keys(const std::string& architecture) {
  std::map<std::string, std::string> text = options_text({});
  const ModelConfig config = defaults_of(architecture);
  ModelConfig::visit(config, [&](const char* key, const auto& value, const char*) { text[key] = text_of(value); });
  return text;
}

}  // namespace

std::map<std::string, std::string> run_config(const TrainOptions& options, const ModelConfig& model,
                                              std::initializer_list<Identity> identities) {
  std::map<std::string, std::string> config = options_text(options);
  ModelConfig::visit(model, [&](const char* key, const auto& value, const char*) { config[key] = text_of(value); });
  config["source vocabulary"] = std::to_string(model.source_vocabulary);
  config["target vocabulary"] = std::to_string(model.target_vocabulary);
  for (const Identity& identity : identities) {
    config.insert(identity.begin(), identity.end());
  }
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
  const auto value_in = [](const auto& side, const std::string& key, const std::string& otherwise) {
    const auto found = side.find(key);
    return found == side.end() ? otherwise : found->second;
  };
  const auto by_default = defaults_of_keys(value_in(now, "architecture", ModelConfig().architecture));
  for (const std::string& key : keys) {
    const std::string before = value_in(saved, key, value_in(by_default, key, "nothing"));
    const std::string value = value_in(now, key, "nothing");
    if (before != value && free.count(key) == 0) {
      differing += "\n  " + key + ": " + before + " in the checkpoint, " + value + " now";
    }
  }
  check_usage(differing.empty(), where,
              ": holds a run with other settings; resume it with its own, or train into another ",
              "directory. Different are:", differing);
}

}  // namespace attune
