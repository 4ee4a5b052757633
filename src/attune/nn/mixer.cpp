#include "attune/nn/mixer.h"

#include <array>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/nn/convolution_mixer.h"
#include "attune/nn/feature_mixer.h"
#include "attune/nn/low_rank_mixers.h"
#include "attune/nn/lsh_mixer.h"
#include "attune/nn/mean_mixer.h"
#include "attune/nn/multi_head_attention.h"
#include "attune/nn/recurrent_mixer.h"
#include "attune/nn/sparse_mixers.h"
#include "attune/nn/spatial_gating_mixer.h"

namespace attune {

namespace {

template <class Kind>
std::unique_ptr<Mixer> make(const MixerOptions& options) {
  return std::make_unique<Kind>(options);
}

template <Cell cell>
std::unique_ptr<Mixer> make_recurrent(const MixerOptions& options) {
  return std::make_unique<RecurrentMixer>(options, cell);
}

template <Cell cell>
MixerCost recurrent_cost(const MixerOptions& options, int) {
  return recurrent_mixer_cost(options, cell);
}

void no_check(const MixerOptions&) {}

MixerCost mean_cost(const MixerOptions& options, int) {  // the output's product is once a sentence: not counted
  return {.per_key = int64_t{options.width} * options.width};
}

MixerCost convolution_cost(const MixerOptions& options, int) {
  // What the gate is of, and how far the sentence reaches on both sides.
  return {.per_query = 2 * int64_t{options.kernel_width} * options.width * options.width,
          .kept = 2 * int64_t{options.width} + 2};
}

}  // namespace

std::span<const MixerKind> mixers() {
  using K = MixerKind;
  constexpr bool causal = true, reads_memory = true, feeds_forward = true, attends = true, drops = true,
                 positions = true, regroups = true, ends = true, no = false;
  static constexpr std::array table{
      K{"scaled_dot", causal, reads_memory, no, attends, drops, positions, make<MultiHeadAttention>, attention_cost,
        no_check},
      K{"local", causal, no, no, attends, drops, positions, make_local, local_cost, check_local},
      K{"sparse", causal, no, no, attends, drops, positions, make_sparse, sparse_cost, check_sparse},
      K{"bigbird", no, no, no, attends, drops, positions, make_bigbird, bigbird_cost, check_bigbird},
      K{"lsh", causal, no, no, attends, no, no, make<LshMixer>, LshMixer::cost, no_check, regroups},
      K{"linformer", no, no, no, attends, drops, no, make<LinformerMixer>, LinformerMixer::cost, no_check, no, ends},
      K{"performer", causal, no, no, attends, no, no, make<PerformerMixer>, PerformerMixer::cost, no_check},
      K{"linear", causal, no, no, attends, no, no, make<LinearAttentionMixer>, LinearAttentionMixer::cost, no_check},
      K{"nystrom", no, no, no, attends, no, no, make<NystromMixer>, NystromMixer::cost, check_nystrom},
      K{"mean", no, reads_memory, no, attends, no, no, make<MeanMixer>, mean_cost, no_check},
      K{"rnn", causal, no, no, no, no, no, make_recurrent<Cell::tanh>, recurrent_cost<Cell::tanh>, no_check},
      K{"gru", causal, no, no, no, no, no, make_recurrent<Cell::gru_reset_after>, recurrent_cost<Cell::gru_reset_after>,
        no_check},
      K{"lstm", causal, no, no, no, no, no, make_recurrent<Cell::lstm>, recurrent_cost<Cell::lstm>, no_check},
      K{"convolution", causal, no, no, no, no, no, make<ConvolutionMixer>, convolution_cost, no_check},
      K{"spatial_gating", causal, no, feeds_forward, no, no, no, make<SpatialGatingMixer>, spatial_gating_cost,
        check_spatial_gating, no, ends},
  };
  return table;
}

const MixerKind& mixer_kind(std::string_view word, std::string_view key) {
  return entry_of_word(key, word, mixers(), &MixerKind::word);
}

std::unique_ptr<Mixer> make_mixer(std::string_view word, const MixerOptions& options) {
  const MixerKind& kind = mixer_kind(word);
  check_usage(options.heads > 0 && options.width % options.heads == 0, "heads (", options.heads,
              ") must divide the width (", options.width, ")");
  check_usage(kind.causal || !options.causal, "the mixer ", word,
              " has no causal form: it can read a source, not a decoder's own past");
  return kind.make(options);
}

}  // namespace attune
