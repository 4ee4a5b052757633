#include "attune/inspect/attention_maps.h"

#include <algorithm>

#include "attune/decode/cross_attention.h"
#include "attune/inspect/attention_statistics.h"

namespace attune {

std::optional<AttentionModule> attention_of_weights(std::string_view name) {
  constexpr std::string_view weights = ".weights.0";
  return name.ends_with(weights) ? attention_module_of(name.substr(0, name.size() - weights.size())) : std::nullopt;
}

void add_heads(const AttentionModule& named, const Tensor& weights, const ModelConfig& config,
               std::vector<AttentionMap>& maps) {
  for (int head = 0; head < static_cast<int>(weights.size(0)); ++head) {
    AttentionMap map;
    map.kind = named.kind;
    map.layer = named.layer;
    map.head = head;
    map.queries = static_cast<int>(weights.size(1));
    map.keys = static_cast<int>(weights.size(2));
    const std::vector<double> values = weights_of_head(weights, head);
    map.weights.assign(values.begin(), values.end());
    map.hidden = hidden_cells(map, config);
    map.statistics = statistics_of(map);
    maps.push_back(std::move(map));
  }
}

void sort_by_kind(std::vector<AttentionMap>& maps) {
  std::stable_sort(maps.begin(), maps.end(), [](const auto& a, const auto& b) { return a.kind < b.kind; });
}

std::vector<InspectedPiece> pieces_of(std::span<const int> ids, const Tokenizer& tokenizer) {
  const std::vector<int> words = tokenizer.word_of_piece(ids);
  std::vector<InspectedPiece> pieces;
  for (size_t i = 0; i < ids.size(); ++i) {
    pieces.push_back({tokenizer.piece(ids[i]), words[i]});
  }
  return pieces;
}

}  // namespace attune
