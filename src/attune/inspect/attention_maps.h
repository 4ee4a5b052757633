// From what a probe is offered while one sentence is read to maps and pieces.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "attune/inspect/attention_module.h"
#include "attune/text/tokenizer.h"

namespace attune {

// Of "encoder.layers.3.self_attention.weights.0", the weights of the only sentence; of any other name nothing.
std::optional<AttentionModule> attention_of_weights(std::string_view name);
// A map for each head. weights [heads, queries, keys]
void add_heads(const AttentionModule& named, const Tensor& weights, const ModelConfig& config,
               std::vector<AttentionMap>& maps);
// Maps of one kind stay in the order in which they were added: by layer and head.
void sort_by_kind(std::vector<AttentionMap>& maps);

// Of "encoder.layers.3.self_attention.parts.landmarks.0" what was offered under that name, [heads or 1, rows, columns],
// a part for each head; of any other name nothing.
void add_parts(std::string_view name, const Tensor& value, const ModelConfig& config,
               std::vector<InspectedPart>& parts);

// Of a text without the special pieces around it.
std::vector<InspectedPiece> pieces_of(std::span<const int> ids, const Tokenizer& tokenizer);

}  // namespace attune
