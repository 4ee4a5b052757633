#include "attune/nn/sparse_mixers.h"

#include <algorithm>

#include "attune/base/check.h"
#include "attune/nn/longformer_mixer.h"
#include "attune/nn/multi_head_attention.h"
#include "attune/nn/projected_mixer.h"

namespace attune {

namespace {

using attention::SparsePattern;

// Multi-head attention in which a query sees so many of the keys.
MixerCost cost_of_visible(const MixerOptions& options, int64_t visible) {
  MixerCost cost = projected_cost(options);
  cost.scores = 2 * int64_t{options.width} * visible;
  cost.kept += options.heads;  // the logarithm of each head's sum
  if (options.attention_norm != "none") {
    cost.kept += 2;  // its statistics, and its result in place of the mixture
    cost.kept_for_products = 0;
    cost.kept_operands = options.width;
  }
  return cost;
}

bool has_global_projections(const MixerOptions& options) {
  return options.sparse.global_tokens > 0 && !options.causal;
}

}  // namespace

std::optional<SparsePattern> sparse_pattern_of(std::string_view word, const MixerOptions& options) {
  const SparseForm& form = options.sparse;
  if (word == "local") {
    return SparsePattern{form.window, {.leading = form.global_tokens}};
  }
  if (word == "sparse") {
    return form.fixed ? SparsePattern{attention::FixedPattern{form.stride, form.summary}}
                      : SparsePattern{attention::StridedPattern{form.stride}};
  }
  if (word == "bigbird") {
    attention::BigBird rule = form.bigbird;
    rule.seed = static_cast<uint64_t>(options.layer);
    return SparsePattern{rule, {.leading = form.global_tokens}};
  }
  return {};
}

std::unique_ptr<Mixer> make_local(const MixerOptions& options) {
  if (has_global_projections(options)) {
    return std::make_unique<LongformerMixer>(options);
  }
  return std::make_unique<MultiHeadAttention>(options, sparse_pattern_of("local", options));
}

std::unique_ptr<Mixer> make_sparse(const MixerOptions& options) {
  return std::make_unique<MultiHeadAttention>(options, sparse_pattern_of("sparse", options));
}

std::unique_ptr<Mixer> make_bigbird(const MixerOptions& options) {
  return std::make_unique<MultiHeadAttention>(options, sparse_pattern_of("bigbird", options));
}

void check_local(const MixerOptions& options) {
  const attention::SlidingWindow& window = options.sparse.window;
  check_usage(window.window >= 2 && window.window % 2 == 0,
              "window: expected an even number of keys, half of them on each side, got ", window.window);
  check_usage(window.dilation.size() <= 1 || window.dilation.size() == static_cast<size_t>(options.heads),
              "dilation: expected one number, or one for each of the ", options.heads, " heads, got ",
              window.dilation.size());
  const bool inside = stands_in_attention(options.positions);
  check_usage(!inside || !has_global_projections(options),
              "global-tokens: local attention with global tokens holds no positions inside it; take positions that are "
              "added to embeddings");
  check_usage(!has_global_projections(options) || (options.normaliser == "softmax" && options.attention_norm == "none"),
              "global-tokens: local attention with global tokens has one softmax and no attention-norm");
}

void check_sparse(const MixerOptions& options) {
  const SparseForm& form = options.sparse;
  check_usage(options.heads >= 2,
              "heads: the mixer sparse needs 2 or more, as odd heads see what even ones do not; got ", options.heads);
  check_usage(!form.fixed || form.summary <= form.stride, "summary: expected at most stride (", form.stride, "), got ",
              form.summary);
}

void check_bigbird(const MixerOptions& options) {
  const SparseForm& form = options.sparse;
  check_usage(form.bigbird.window_blocks % 2 == 1,
              "window-blocks: expected an odd number, the query's own block in the middle, got ",
              form.bigbird.window_blocks);
  check_usage(form.global_tokens == 0 || form.bigbird.global_blocks == 0,
              "global-tokens: bigbird has either global tokens or global-blocks, got ", form.global_tokens, " and ",
              form.bigbird.global_blocks);
}

MixerCost attention_cost(const MixerOptions& options, int length) {
  return cost_of_visible(options, length);
}

MixerCost local_cost(const MixerOptions& options, int length) {
  const SparseForm& form = options.sparse;
  MixerCost cost = cost_of_visible(options, std::min(length, form.window.window + 1 + form.global_tokens));
  if (has_global_projections(options)) {  // keys and values for them, of all tokens
    const int64_t width = options.width;
    cost.per_key += 2 * width * width;
    cost.kept += 2 * width;
    cost.readers = 5;
  }
  return cost;
}

MixerCost sparse_cost(const MixerOptions& options, int length) {
  const SparseForm& form = options.sparse;
  const int stretches = (length + form.stride - 1) / form.stride;
  const int even = form.fixed ? form.stride : 2 * form.stride - 1, odd = stretches * (form.fixed ? form.summary : 1);
  return cost_of_visible(options, (std::min(length, even) + std::min(length, odd)) / 2);
}

MixerCost bigbird_cost(const MixerOptions& options, int length) {
  const attention::BigBird& rule = options.sparse.bigbird;
  const int64_t blocks = int64_t{rule.window_blocks} + rule.global_blocks + rule.random_blocks;
  return cost_of_visible(options, std::min<int64_t>(length, blocks * rule.block + options.sparse.global_tokens));
}

}  // namespace attune
