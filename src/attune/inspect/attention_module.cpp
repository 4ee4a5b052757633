#include "attune/inspect/attention_module.h"

#include <array>
#include <charconv>

#include "attune/models/mixer_options.h"
#include "attune/nn/sparse_mixers.h"

namespace attune {

std::optional<AttentionModule> attention_module_of(std::string_view module) {
  struct Pattern {
    std::string_view before, behind;
    AttentionKind kind;
  };
  constexpr std::array<Pattern, 5> patterns{
      {{"encoder.layers.", ".self_attention", AttentionKind::encoder},
       {"encoder.layers.", ".self_attention.tiny_attention", AttentionKind::encoder_tiny},
       {"decoder.layers.", ".self_attention.tiny_attention", AttentionKind::decoder_tiny},
       {"decoder.layers.", ".self_attention", AttentionKind::decoder},
       {"decoder.layers.", ".cross_attention", AttentionKind::cross}}};
  for (const Pattern& pattern : patterns) {
    if (module.starts_with(pattern.before) && module.ends_with(pattern.behind)) {
      int layer = -1;
      const char* end = module.data() + module.size() - pattern.behind.size();
      const auto read = std::from_chars(module.data() + pattern.before.size(), end, layer);
      if (read.ec == std::errc() && read.ptr == end) {
        return AttentionModule{pattern.kind, layer};
      }
    }
  }
  return {};
}

namespace {

// Of a map of a mechanism that sees a sparse pattern.
std::optional<attention::SparsePattern> pattern_of(const AttentionMap& map, const ModelConfig& config) {
  if (config.architecture != "transformer") return {};
  if (map.kind == AttentionKind::encoder) {
    return sparse_pattern_of(config.encoder_mixer, self_mixer_options(config, map.layer));
  }
  if (map.kind == AttentionKind::decoder) {
    return sparse_pattern_of(config.decoder_mixer, causal_mixer_options(config, map.layer));
  }
  return {};
}

}  // namespace

std::vector<bool> hidden_cells(const AttentionMap& map, const ModelConfig& config) {
  std::vector<bool> hidden;
  const bool window = map.kind == AttentionKind::cross && config.attention_window != "global";
  if (const auto pattern = pattern_of(map, config)) {
    for (int i = 0; i < map.queries; ++i) {
      for (int j = 0; j < map.keys; ++j) {
        const bool later = looks_at_target(map.kind) && j > i;
        hidden.push_back(later || !attention::may_see(*pattern, {0, map.head, i, j, map.keys}));
      }
    }
    return hidden;
  }
  if (!looks_at_target(map.kind) && !window) {
    return hidden;
  }
  for (int i = 0; i < map.queries; ++i) {
    for (int j = 0; j < map.keys; ++j) {
      hidden.push_back(window ? map.weight(i, j) == 0 : j > i);
    }
  }
  return hidden;
}

}  // namespace attune
