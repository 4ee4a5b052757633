// Reading JSON that somebody else may have written. nlohmann's parser alone keeps the last of equal keys and nests as
// deep as its input says, which exhausts the stack once such a value is shown or freed. Not for public headers: whoever
// includes this compiles nlohmann/json.hpp.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "attune/base/check.h"

namespace attune {

class StrictJson {
 public:
  StrictJson(const std::string& where, int deepest) : where_(where), deepest_(deepest) {}
  bool operator()(int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
    check(depth <= deepest_, where_, ": values are nested more than ", deepest_, " deep");
    if (event == nlohmann::json::parse_event_t::object_start) {
      seen_.resize(static_cast<size_t>(depth) + 1);  // by the depth at which the object began; arrays leave gaps
      seen_[static_cast<size_t>(depth)].clear();
    } else if (event == nlohmann::json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      check(seen_[static_cast<size_t>(depth) - 1].insert(key).second, where_, ": the key \"", key, "\" occurs twice");
    }
    return true;
  }

 private:
  const std::string& where_;
  int deepest_;
  std::vector<std::set<std::string>> seen_;
};

// One JSON object whose values nest at most `deepest` below it, without equal keys; throws an Error that begins with
// `where` (a file, a line of input).
inline nlohmann::json parse_json_object(std::string_view text, const std::string& where, int deepest) {
  using Callback = std::function<bool(int, nlohmann::json::parse_event_t, nlohmann::json&)>;
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(text, Callback(StrictJson(where, deepest)));
  } catch (const nlohmann::json::exception& error) {
    fail(where, ": not valid JSON: ", error.what());
  }
  check(json.is_object(), where, ": expected a JSON object");
  return json;
}

}  // namespace attune
