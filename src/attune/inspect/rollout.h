// Attention rollout (Abnar and Zuidema 2020): how much of each input a layer's state is made of, if attention were all
// that mixes. With A the mean of a layer's heads, its rows divided by their sums (a row of zeros looks at itself), and
// half for the residual connection:
//   encoder    E_l = (0.5 A + 0.5 I) E_(l-1), E_0 = I
//   decoder    T = target read, S = source, both [target written, ...]; T_0 = I, S_0 = 0
//              self-attention: T' = (0.5 A + 0.5 I) T, S' = (0.5 A + 0.5 I) S
//              cross:          T_l = 0.5 T', S_l = 0.5 S' + 0.5 C E   (E the encoder's last, C as A)
#pragma once

#include <span>
#include <vector>

#include "attune/inspect/inspection.h"

namespace attune {

// One map a layer. Empty unless each of `layers` layers has self-attention among the maps (those of recurrent models
// and of mixers that are no attention have none).
std::vector<AttentionMap> encoder_rollout(std::span<const AttentionMap> maps, int layers);

// Of each layer its decoder_rollout and its source_rollout. Empty unless each layer has both kinds of attention and
// `encoder` is what encoder_rollout gave.
std::vector<AttentionMap> decoder_rollout(std::span<const AttentionMap> maps, int layers,
                                          std::span<const AttentionMap> encoder);

}  // namespace attune
