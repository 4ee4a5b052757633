// What the config says of a model's mixers.
#pragma once

#include "attune/models/config.h"
#include "attune/nn/mixer.h"

namespace attune {

// Of one that reads a source.
MixerOptions mixer_options(const ModelConfig& config);
// Of a layer's that mixes its own sequence, which may hold positions; and of one that reads its own past.
MixerOptions self_mixer_options(const ModelConfig& config, int layer);
MixerOptions causal_mixer_options(const ModelConfig& config, int layer);

// A rate of the config, of which -1 means another one.
double rate_or(double rate, double otherwise);

}  // namespace attune
