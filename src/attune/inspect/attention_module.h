// Which attention a probe's name belongs to, and what of its weights is masked.
#pragma once

#include <optional>
#include <string_view>

#include "attune/inspect/inspection.h"
#include "attune/models/config.h"

namespace attune {

struct AttentionModule {
  AttentionKind kind = AttentionKind::encoder;  // encoder, decoder, cross, encoder_tiny or decoder_tiny
  int layer = 0;
};

// Of "encoder.layers.3.self_attention" and its like; of any other module nothing.
std::optional<AttentionModule> attention_module_of(std::string_view module);

// A decoder sees no later piece; a sparse pattern hides what it does not let through; a local window hides what lies
// outside, where softmax leaves nothing but zeros. Empty: nothing is hidden. map: its weights, not yet their gradients.
std::vector<bool> hidden_cells(const AttentionMap& map, const ModelConfig& config);

}  // namespace attune
