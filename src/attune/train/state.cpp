#include "attune/train/state.h"

#include "attune/base/json.h"

namespace attune {
namespace {

using Json = nlohmann::json;

// One list for writing and reading.
template <class Self, class Each>
void visit(Self& self, Each&& each) {
  each("updates", self.updates);
  each("loss", self.loss);
  each("nll", self.nll);
  each("target_tokens", self.counted);  // the file's word is older than tasks that count other things
  each("tokens", self.tokens);
  each("gradient_norm", self.gradient_norm);
  each("learning_rate", self.learning_rate);
  each("seconds", self.seconds);
}

template <class Self, class Each>
void visit_state(Self& self, Each&& each) {
  each("update", self.update);
  each("epoch", self.epoch);
  each("batch", self.batch);
  each("optimizer_steps", self.optimizer_steps);
  each("seconds", self.seconds);
  each("tokens", self.tokens);
  each("log_lines", self.log_lines);
  each("validated_update", self.validated_update);
  each("best_update", self.best_update);
  each("without_improvement", self.without_improvement);
  each("plateau_scale", self.plateau_scale);
  each("scheduled", self.scheduled);
  each("config", self.config);
}

Json json_of(const Interval& interval) {
  Json json;
  visit(interval, [&](const char* key, const auto& value) { json[key] = value; });
  return json;
}

const Json& object_of(const Json& json, const char* key, const std::string& where) {
  const auto found = json.find(key);
  check(found != json.end() && found->is_object(), where, ": ", key, " is missing or no object");
  return *found;
}

Interval interval_of(const Json& state, const char* key, const std::string& where) {
  const Json& json = object_of(state, key, where);
  Interval interval;
  visit(interval, [&](const char* name, auto& value) {
    value = read_value_of<std::decay_t<decltype(value)>>(json, name, where + ": " + key);
  });
  return interval;
}

}  // namespace

std::string to_json(const TrainState& state) {
  Json json;
  visit_state(state, [&](const char* key, const auto& value) { json[key] = value; });
  json["best_nll"] = state.best_nll ? Json(*state.best_nll) : Json();
  json["interval"] = json_of(state.interval);
  json["reported"] = json_of(state.reported);
  return json.dump(1) + "\n";
}

TrainState read_state(const std::string& text, const std::string& where) {
  const Json json = parse_json_object(text, where, 2);
  TrainState state;
  visit_state(state, [&](const char* key, auto& value) {
    using Value = std::decay_t<decltype(value)>;
    if constexpr (std::is_same_v<Value, decltype(TrainState::config)>) {
      for (const auto& [name, setting] : object_of(json, key, where).items()) {
        value[name] = read_value<std::string>(setting, where + ": " + name);
      }
    } else {
      value = read_value_of<Value>(json, key, where);
    }
  });
  check(json.contains("best_nll"), where, ": best_nll is missing");
  if (!json["best_nll"].is_null()) {
    state.best_nll = read_value_of<double>(json, "best_nll", where);
  }
  state.interval = interval_of(json, "interval", where);
  state.reported = interval_of(json, "reported", where);
  check(state.update >= 0 && state.epoch >= 0 && state.batch >= 0, where, ": negative positions");
  return state;
}

}  // namespace attune
