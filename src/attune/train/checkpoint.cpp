#include "attune/train/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "attune/base/check.h"
#include "attune/base/profile.h"
#include "attune/tensor/atomic_file.h"
#include "attune/tensor/safetensors.h"
#include "attune/train/manifest.h"

namespace attune {
namespace {

namespace fs = std::filesystem;

constexpr const char* weights_file = "weights.safetensors";
constexpr const char* buffers_file = "buffers.safetensors";
constexpr const char* state_file = "state.json";
constexpr int whole_states = 2;

// N of "step-N", nothing of other names.
std::optional<int64_t> update_of(const std::string& name) {
  constexpr std::string_view prefix = "step-";
  if (name.rfind(prefix, 0) != 0) {
    return std::nullopt;
  }
  int64_t update = 0;
  const char* end = name.data() + name.size();
  const auto [at, error] = std::from_chars(name.data() + prefix.size(), end, update);
  return error == std::errc() && at == end && update >= 0 ? std::optional(update) : std::nullopt;
}

void write_content(const std::string& path, const TrainState& state, const NamedTensors& weights,
                   const NamedTensors& buffers) {
  write_safetensors(path + "/" + weights_file, weights);
  write_safetensors(path + "/" + buffers_file, buffers);
  write_file_atomically(path + "/" + state_file, to_json(state));
  Manifest manifest{state.update, true, state.scheduled, {}};
  for (const char* name : {weights_file, buffers_file, state_file}) {
    manifest.files[name] = describe_file(path + "/" + name);
  }
  write_manifest(path, manifest);
}

Checkpoint read_whole(const std::string& path, const Manifest& manifest) {
  for (const char* name : {weights_file, buffers_file, state_file}) {
    check(manifest.files.count(name) == 1, path, "/manifest.json: does not name ", name, "; it is damaged");
  }
  verify_files(path, manifest);
  Checkpoint checkpoint;
  checkpoint.state = read_state(read_file(path + "/" + state_file), path + "/" + state_file);
  check(checkpoint.state.update == manifest.update, path, ": the state is update ", checkpoint.state.update,
        "'s, the manifest update ", manifest.update, "'s");
  checkpoint.weights = read_safetensors(path + "/" + weights_file);
  checkpoint.buffers = read_safetensors(path + "/" + buffers_file);
  return checkpoint;
}

// First the manifest stops naming the other files, then they go: at any moment what it names is there.
void reduce_to_weights(const std::string& path, Manifest manifest) {
  manifest.whole = false;
  manifest.files = {{weights_file, manifest.files.at(weights_file)}};
  write_manifest(path, manifest);
  fs::remove(path + "/" + buffers_file);
  fs::remove(path + "/" + state_file);
}

}  // namespace

std::vector<int64_t> Checkpoints::updates() const {
  std::vector<int64_t> result;
  std::error_code none;
  for (const auto& item : fs::directory_iterator(directory_, none)) {
    if (const auto update = update_of(item.path().filename().string()); update && item.is_directory()) {
      result.push_back(*update);
    }
  }
  std::sort(result.rbegin(), result.rend());
  return result;
}

void Checkpoints::save(const TrainState& state, const NamedTensors& weights, const NamedTensors& buffers,
                       const Retention& retention) {
  const ProfileScope scope("write_checkpoint");
  const std::string path = path_of(state.update), temporary = path + ".tmp", old = path + ".old";
  try {
    fs::create_directory(directory_);  // not those above it: a model's directory that vanished is not made anew
    fs::remove_all(temporary);
    fs::remove_all(old);
    fs::create_directory(temporary);
    write_content(temporary, state, weights, buffers);
    if (fs::exists(path)) {
      fs::rename(path, old);  // newest() takes it from there if this is the last thing that happens
    }
    fs::rename(temporary, path);
    sync_directory(directory_);
    fs::remove_all(old);
    retain(retention);
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    fail("the checkpoint of update ", state.update, " could not be written: ", error.what(),
         "; earlier checkpoints are as they were: make room or fix the directory, then train again to resume");
  }
}

void Checkpoints::retain(const Retention& retention) const {
  int whole = 0, scheduled = 0;
  for (const int64_t update : updates()) {
    const std::string path = path_of(update);
    Manifest manifest;
    try {
      manifest = read_manifest(path);
    } catch (const Error&) {
      continue;  // damaged: not ours to judge, and not counted
    }
    scheduled += manifest.scheduled ? 1 : 0;
    const bool newest = manifest.whole && whole < whole_states;
    whole += newest ? 1 : 0;
    if (newest) {
      continue;
    }
    if (!manifest.scheduled || scheduled > retention.keep_weights) {
      fs::remove_all(path);
    } else if (manifest.whole) {
      reduce_to_weights(path, manifest);
    }
  }
}

Checkpoints::Found Checkpoints::newest() const {
  const ProfileScope scope("read_checkpoint");
  Found found;
  std::vector<std::pair<int64_t, std::string>> candidates;
  for (const int64_t update : updates()) {
    candidates.emplace_back(update, path_of(update));
  }
  std::error_code none;
  for (const auto& item : fs::directory_iterator(directory_, none)) {
    const std::string name = item.path().filename().string();
    if (item.path().extension() != ".old") {
      continue;
    }
    const auto update = update_of(name.substr(0, name.size() - 4));
    if (update && !fs::exists(path_of(*update))) {
      candidates.emplace_back(*update, item.path().string());
    }
  }
  std::sort(candidates.rbegin(), candidates.rend());
  for (const auto& [update, path] : candidates) {
    try {
      const Manifest manifest = read_manifest(path);
      if (!manifest.whole) {
        continue;
      }
      found.checkpoint = read_whole(path, manifest);
      return found;
    } catch (const std::exception& error) {
      found.skipped.push_back(path + ": " + error.what());
      found.damaged.push_back(path);
    }
  }
  return found;
}

void Checkpoints::clean(const Found& found) const {
  for (const std::string& path : found.damaged) {
    fs::remove_all(path + ".damaged");
    fs::rename(path, path + ".damaged");
  }
  std::error_code none;
  std::vector<fs::path> items;
  for (const auto& item : fs::directory_iterator(directory_, none)) {
    items.push_back(item.path());
  }
  for (const fs::path& item : items) {
    const auto update = update_of(item.stem().string());
    if (update && item.extension() == ".tmp") {
      fs::remove_all(item);
    } else if (update && item.extension() == ".old") {
      if (fs::exists(path_of(*update))) {
        fs::remove_all(item);
      } else {
        fs::rename(item, path_of(*update));
      }
    }
  }
}

std::map<std::string, Tensor> Checkpoints::weights_of(int64_t update) const {
  const std::string path = path_of(update);
  verify_files(path, read_manifest(path));
  return read_safetensors(path + "/" + weights_file);
}

std::vector<std::map<std::string, Tensor>> Checkpoints::last_weights(int count, int64_t update,
                                                                     std::vector<std::string>* skipped) const {
  std::vector<std::map<std::string, Tensor>> result;
  for (const int64_t at : updates()) {
    if (at > update || static_cast<int>(result.size()) >= count) {
      continue;
    }
    const std::string path = path_of(at);
    try {
      if (read_manifest(path).scheduled) {
        result.push_back(weights_of(at));
      }
    } catch (const std::exception& error) {
      if (skipped != nullptr) {
        skipped->push_back(path + ": " + error.what());
      }
    }
  }
  return result;
}

}  // namespace attune
