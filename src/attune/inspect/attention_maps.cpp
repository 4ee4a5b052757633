#include "attune/inspect/attention_maps.h"

#include <algorithm>
#include <array>

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

namespace {

struct PartKind {
  std::string_view name;
  bool rows_are_pieces, columns_are_pieces, numbered = false;
};
constexpr std::array part_kinds{PartKind{"query_features", true, false},    PartKind{"key_features", true, false},
                                PartKind{"projected_weights", true, false}, PartKind{"key_projection", false, true},
                                PartKind{"value_projection", false, true},  PartKind{"token_landmarks", true, false},
                                PartKind{"landmarks", false, false},        PartKind{"landmark_tokens", false, true},
                                PartKind{"buckets", true, false, true},     PartKind{"chunks", true, false, true}};

}  // namespace

void add_parts(std::string_view name, const Tensor& value, const ModelConfig& config,
               std::vector<InspectedPart>& parts) {
  for (const PartKind& kind : part_kinds) {
    const std::string behind = ".parts." + std::string(kind.name) + ".0";
    const auto module =
        name.ends_with(behind) ? attention_module_of(name.substr(0, name.size() - behind.size())) : std::nullopt;
    for (int head = 0; module && head < static_cast<int>(value.size(0)); ++head) {
      const std::vector<double> values = weights_of_head(value, head);
      parts.push_back({.name = std::string(kind.name),
                       .of = module->kind,
                       .layer = module->layer,
                       .head = value.size(0) < config.heads ? -1 : head,
                       .rows = static_cast<int>(value.size(1)),
                       .columns = static_cast<int>(value.size(2)),
                       .rows_are_pieces = kind.rows_are_pieces,
                       .columns_are_pieces = kind.columns_are_pieces,
                       .numbered = kind.numbered,
                       .values = {values.begin(), values.end()}});
    }
  }
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
