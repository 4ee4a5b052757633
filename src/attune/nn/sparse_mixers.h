// The mixers of sparse patterns (attention/sparse_pattern.h): rows of the table of mixers.
#pragma once

#include "attune/nn/mixer.h"

namespace attune {

// A sliding window. One that sees the whole sequence has a map of its own for global tokens (nn/longformer_mixer.h); a
// causal one shows the sequence's first tokens to all later ones.
std::unique_ptr<Mixer> make_local(const MixerOptions& options);
std::unique_ptr<Mixer> make_sparse(const MixerOptions& options);   // strided or fixed
std::unique_ptr<Mixer> make_bigbird(const MixerOptions& options);  // global tokens: ETC

// What a mixer lets a token see; nothing of mixers that are no sparse pattern.
std::optional<attention::SparsePattern> sparse_pattern_of(std::string_view word, const MixerOptions& options);

MixerCost local_cost(const MixerOptions& options, int length);
MixerCost sparse_cost(const MixerOptions& options, int length);
MixerCost bigbird_cost(const MixerOptions& options, int length);
MixerCost attention_cost(const MixerOptions& options, int length);  // of scaled_dot, which sees everything

// Throws UsageErrors that name the config key.
void check_local(const MixerOptions& options);
void check_sparse(const MixerOptions& options);
void check_bigbird(const MixerOptions& options);

}  // namespace attune
