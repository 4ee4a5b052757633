#include "attune/inspect/ablation.h"

#include <algorithm>
#include <charconv>

#include "attune/base/check.h"
#include "attune/decode/scorer.h"
#include "attune/models/architecture.h"

namespace attune {

namespace {

// "encoder.layer.2" -> "encoder.layers.2.self_attention"
std::string full_name(std::string module) {
  for (const char* side : {"encoder", "decoder"}) {
    const std::string shorter = std::string(side) + ".layer.";
    if (module.starts_with(shorter)) {
      module = std::string(side) + ".layers." + module.substr(shorter.size());
    }
  }
  const bool names_attention = module.ends_with("attention");
  return names_attention ? module : module + ".self_attention";
}

std::string known_places(const std::vector<AttentionPlace>& places) {
  std::string text;
  for (const AttentionPlace& place : places) {
    text += (text.empty() ? "" : ", ") + place.module + " (heads 0 to " + std::to_string(place.heads - 1) + ")";
  }
  return text;
}

// The elements that read a head's result.
void clear(Tensor parameter, const AttentionOutlet& outlet, int head) {
  if (parameter.rank() == 1) {
    parameter.fill(0);
  } else {
    parameter.columns_view(outlet.begin + head * outlet.columns, outlet.columns).fill(0);
  }
}

Tensor outlet_of(const Model& model, const AttentionOutlet& outlet) {
  const Parameters::Entry* entry = model.parameters().find(outlet.parameter);
  check(entry != nullptr, "attention: no parameter is called ", outlet.parameter);
  return *entry->parameter;
}

double loss_of(const Model& model, std::span<const Example> pairs) {
  double sum = 0;
  int64_t pieces = 0;
  for (const PairScore& score : score_pairs(model, pairs)) {
    sum -= score.log_probability;
    pieces += static_cast<int64_t>(score.log_probabilities.size());
  }
  return sum / static_cast<double>(std::max<int64_t>(pieces, 1));
}

}  // namespace

std::string Removal::name() const {
  return head ? place.module + ".head." + std::to_string(*head) : place.module;
}

std::vector<AttentionPlace> attention_places(const ModelConfig& config) {
  return architecture_of_name(config.architecture).attends(config);
}

Removal removal_of_name(const ModelConfig& config, const std::string& name, const std::string& origin) {
  const std::vector<AttentionPlace> places = attention_places(config);
  check_usage(!places.empty(), origin, ": the model (", config.architecture, ") attends to nothing");
  constexpr std::string_view before_head = ".head.";
  const size_t at = name.rfind(before_head);
  const std::string module = full_name(name.substr(0, at));
  const auto place =
      std::find_if(places.begin(), places.end(), [&](const auto& each) { return each.module == module; });
  std::optional<int> head;
  bool known = place != places.end();
  if (known && at != std::string::npos) {
    const std::string number = name.substr(at + before_head.size());
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), head.emplace());
    known = error == std::errc() && end == number.data() + number.size() && *head >= 0 && *head < place->heads;
  }
  check_usage(known, origin, ": expected a head of the model, as in ", places.front().module, ".head.0, got \"", name,
              "\"; it attends in ", known_places(places));
  return {*place, head};
}

void remove(Model& model, const Removal& removal) {
  for (const AttentionOutlet& outlet : removal.place.outlets) {
    for (int head = 0; head < removal.place.heads; ++head) {
      if (!removal.head || *removal.head == head) {
        clear(outlet_of(model, outlet), outlet, head);
      }
    }
  }
}

void remove(Model& model, std::span<const std::string> names, const std::string& origin) {
  for (const std::string& name : names) {
    remove(model, removal_of_name(model.config(), name, origin));
  }
}

HeadCosts rank_heads(Model& model, std::span<const Example> pairs, const RankOptions& options) {
  const std::vector<AttentionPlace> places = attention_places(model.config());
  int total = 0, done = 0;
  for (const AttentionPlace& place : places) {
    total += place.heads;
  }
  const auto measured = [&](const std::string& name) {
    return HeadCost{name, loss_of(model, pairs), options.bleu ? std::optional(options.bleu()) : std::nullopt};
  };
  Tensor flat = model.parameters().flat();
  const Tensor kept = flat.clone();
  HeadCosts costs{measured(""), {}};
  for (const AttentionPlace& place : places) {
    for (int head = 0; head < place.heads; ++head) {
      const Removal removal{place, head};
      remove(model, removal);
      try {
        costs.heads.push_back(measured(removal.name()));
      } catch (...) {
        flat.copy_from(kept);
        throw;
      }
      flat.copy_from(kept);
      if (options.progress) {
        options.progress(++done, total);
      }
    }
  }
  std::stable_sort(costs.heads.begin(), costs.heads.end(),
                   [](const HeadCost& a, const HeadCost& b) { return a.loss > b.loss; });
  return costs;
}

}  // namespace attune
