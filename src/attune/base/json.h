// Reading JSON that somebody else may have written. nlohmann's parser alone keeps the last of equal keys and nests as
// deep as its input says, which exhausts the stack once such a value is shown or freed. Not for public headers: whoever
// includes this compiles nlohmann/json.hpp.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
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

// value as a bool, a string, a double or a whole number that T holds; nlohmann converts numbers without asking whether
// they fit. what: "state.json: update", for the message.
template <class T>
T read_value(const nlohmann::json& value, const std::string& what) {
  bool fits = false;
  const char* expected = "a string";
  if constexpr (std::is_same_v<T, bool>) {
    fits = value.is_boolean();
    expected = "true or false";
  } else if constexpr (std::is_same_v<T, std::string>) {
    fits = value.is_string();
  } else if constexpr (std::is_floating_point_v<T>) {
    fits = value.is_number();
    expected = "a number";
  } else {
    fits = value.is_number_unsigned()  ? std::in_range<T>(value.get<uint64_t>())
           : value.is_number_integer() ? std::in_range<T>(value.get<int64_t>())
                                       : false;
    expected = sizeof(T) == 8 ? "a whole number of 64 bits" : "a whole number of 32 bits";
  }
  check(fits, what, " is ", value.dump(-1, ' ', true), ", expected ", expected);
  return value.get<T>();
}

// The value of `key` in an object.
template <class T>
T read_value_of(const nlohmann::json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  check(object.is_object() && found != object.end(), where, ": ", key, " is missing");
  return read_value<T>(*found, where + ": " + key);
}

}  // namespace attune
