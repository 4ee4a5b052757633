// Which attention a probe's name belongs to.
#pragma once

#include <optional>
#include <string_view>

#include "attune/inspect/inspection.h"

namespace attune {

struct AttentionModule {
  AttentionKind kind = AttentionKind::encoder;  // encoder, decoder or cross
  int layer = 0;
};

// Of "encoder.layers.3.self_attention" and its like; of any other module nothing.
std::optional<AttentionModule> attention_module_of(std::string_view module);

}  // namespace attune
