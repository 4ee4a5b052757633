#include "attune/nn/multi_head_attention.h"

#include <algorithm>
#include <array>

#include "attune/nn/attention_state.h"
#include "attune/nn/joined_linear.h"
#include "attune/ops/reshape.h"

namespace attune {

namespace {

// A window moves on from what it has seen; other patterns show a token that is as old as you like.
Kept kept_under(const std::optional<attention::SparsePattern>& pattern) {
  const auto* window = pattern ? std::get_if<attention::SlidingWindow>(&pattern->rule) : nullptr;
  if (window == nullptr) {
    return {};
  }
  int64_t farthest = 1;
  for (const int dilation : window->dilation) {
    farthest = std::max<int64_t>(farthest, dilation);
  }
  return {pattern->global.leading, window->window / 2 * farthest + 1};
}

}  // namespace

void offer_weights(const AttendingRows& rows, const attention::Options& options, const Pass& pass) {
  for (int s = 0; pass.probe != nullptr && s < rows.queries.count(); ++s) {
    pass.offer("weights." + std::to_string(s),
               attention::scaled_dot_weights(rows.q, rows.k, rows.queries, rows.keys, s, options));
  }
}

attention::Dropout dropout_of_weights(double rate, const Pass& pass) {
  return pass.dropout && rate > 0 ? attention::Dropout{rate, pass.dropout} : attention::Dropout{};
}

MultiHeadAttention::MultiHeadAttention(const MixerOptions& options, std::optional<attention::SparsePattern> pattern)
    : options_(options),
      normaliser_(attention::normaliser_of_name(options.normaliser)),
      pattern_(std::move(pattern)),
      query_({options.width, options.width, options.biases}, options.initialiser),
      key_({options.width, options.width, options.biases}, options.initialiser),
      value_({options.width, options.width, options.biases}, options.initialiser),
      output_({options.width, options.width, options.biases}, options.initialiser),
      positions_({options.positions, options.heads, options.causal, options.max_positions}) {
  if (options.attention_norm != "none") {
    norm_ = Norm(options.width, norm_kind_of_name(options.attention_norm), {});
  }
}

Tensor MultiHeadAttention::put_out(const Tensor& mixed, const Pass& pass) const {
  return output_(norm_.weight ? norm_(mixed, pass.compute) : mixed, pass);
}

Tensor MultiHeadAttention::in_heads(const Tensor& x) const {
  return reshape(x, {x.size(0), options_.heads, options_.width / options_.heads});
}

Tensor MultiHeadAttention::turned(const Tensor& x, const Segments& segments) const {
  return positions_.turns() ? positions_.turned(in_heads(x), positions_in(segments)) : in_heads(x);
}

attention::Options MultiHeadAttention::attention_options(const Pass& pass) const {
  attention::Options result;
  result.mask.causal = options_.causal;
  result.mask.left = result.mask.right = options_.reach;
  result.mask.pattern = pattern_;
  result.normaliser = normaliser_;
  result.bias = positions_.bias(query_.weight.dtype());
  result.dropout = dropout_of_weights(options_.dropout, pass);
  return result;
}

Tensor MultiHeadAttention::operator()(const Tensor& x, const Segments& queries, const Tensor& memory,
                                      const Segments& keys, const Pass& pass) const {
  pass.offer("input", x);
  const Tensor q = turned(query_(x, pass), queries), k = turned(key_(memory, pass), keys),
               v = in_heads(value_(memory, pass));
  const attention::Options options = attention_options(pass);
  offer_weights({q, k, queries, keys}, options, pass);
  const Tensor mixed = attention::scaled_dot(q, k, v, queries, keys, options).out;
  pass.offer("values", v);
  pass.offer("mixed", mixed);
  return put_out(reshape(mixed, {x.size(0), options_.width}), pass);
}

std::unique_ptr<MixerState> MultiHeadAttention::begin(int rows) const {
  return std::make_unique<GrowingState>(rows, kept_under(pattern_));
}

std::unique_ptr<MixerState> MultiHeadAttention::begin(const Tensor& memory, const Segments& keys,
                                                      std::span<const int> source_of, const Pass& pass) const {
  const std::array<const Linear*, 2> parts{&key_, &value_};
  return std::make_unique<FixedState>(joined_linear(memory, parts, pass), keys, source_of);
}

Tensor MultiHeadAttention::step(const Tensor& x, MixerState& state, const Pass& pass) const {
  attention::Options options = attention_options(pass);
  options.mask.causal = false;  // all that has been read is the past
  options.mask.right = {};
  const Heads heads{options_.heads, options_.width / options_.heads};
  if (const auto* fixed = dynamic_cast<const FixedState*>(&state)) {
    const Tensor mixed =
        attention::scaled_dot(in_heads(query_(x, pass)), part_in_heads(fixed->cache(), 0, heads),
                              part_in_heads(fixed->cache(), 1, heads), fixed->queries(), fixed->keys(), options)
            .out;
    return put_out(reshape(mixed, {x.size(0), options_.width}), pass);
  }
  auto& growing = dynamic_cast<GrowingState&>(state);
  const std::array<const Linear*, 3> parts{&query_, &key_, &value_};
  const Tensor joined = joined_linear(x, parts, pass);
  const std::vector<int32_t> at(static_cast<size_t>(x.size(0)), growing.length());
  const Tensor query = positions_.turned(part_in_heads(joined, 0, heads), at);
  growing.append({positions_.turned(part_in_heads(joined, 1, heads), at), part_in_heads(joined, 2, heads)});
  if (growing.has_gap()) {
    options.bias = positions_.bias_at(growing.distances());
  }
  return put_out(attend_to_past(query, growing, options), pass);
}

void MultiHeadAttention::collect(Parameters& list, const std::string& name) {
  visit(*this, [&](const char* part, auto& module) { detail::collect(list, name + "." + part, module); });
}

}  // namespace attune
