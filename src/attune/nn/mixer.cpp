#include "attune/nn/mixer.h"

#include <array>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/nn/convolution_mixer.h"
#include "attune/nn/mean_mixer.h"
#include "attune/nn/multi_head_attention.h"
#include "attune/nn/recurrent_mixer.h"
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

MixerCost attention_cost(const MixerOptions& options, int length) {
  const int64_t square = int64_t{options.width} * options.width;
  // Queries, keys, values, result and the logarithm of each head's sum.
  return {.per_query = 2 * square,
          .per_key = 2 * square,
          .scores = 2 * int64_t{options.width} * length,
          .kept = 4 * int64_t{options.width} + options.heads,
          .kept_for_products = options.width,
          .readers = 3};
}

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
  static constexpr std::array table{
      MixerKind{"scaled_dot", true, true, false, make<MultiHeadAttention>, attention_cost},
      MixerKind{"mean", false, true, false, make<MeanMixer>, mean_cost},
      MixerKind{"rnn", true, false, false, make_recurrent<Cell::tanh>, recurrent_cost<Cell::tanh>},
      MixerKind{"gru", true, false, false, make_recurrent<Cell::gru_reset_after>,
                recurrent_cost<Cell::gru_reset_after>},
      MixerKind{"lstm", true, false, false, make_recurrent<Cell::lstm>, recurrent_cost<Cell::lstm>},
      MixerKind{"convolution", true, false, false, make<ConvolutionMixer>, convolution_cost},
      MixerKind{"spatial_gating", true, false, true, make<SpatialGatingMixer>, spatial_gating_cost},
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
