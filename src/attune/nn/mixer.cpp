#include "attune/nn/mixer.h"

#include <array>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/nn/mean_mixer.h"
#include "attune/nn/multi_head_attention.h"

namespace attune {

namespace {

template <class Kind>
std::unique_ptr<Mixer> make(const MixerOptions& options) {
  return std::make_unique<Kind>(options);
}

MixerCost attention_cost(const MixerOptions& options, int length) {
  const int64_t square = int64_t{options.width} * options.width;
  return {.per_query = 2 * square, .per_key = 2 * square, .scores = 2 * int64_t{options.width} * length};
}

MixerCost mean_cost(const MixerOptions& options, int) {  // the output's product is once a sentence: not counted
  return {.per_query = 0, .per_key = int64_t{options.width} * options.width, .scores = 0};
}

}  // namespace

std::span<const MixerKind> mixers() {
  static constexpr std::array table{
      MixerKind{"scaled_dot", true, make<MultiHeadAttention>, attention_cost},
      MixerKind{"mean", false, make<MeanMixer>, mean_cost},
  };
  return table;
}

const MixerKind& mixer_kind(std::string_view word, std::string_view key) {
  std::vector<std::string_view> known;
  for (const MixerKind& kind : mixers()) {
    if (kind.word == word) {
      return kind;
    }
    known.push_back(kind.word);
  }
  refuse_word(key, word, known);
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
