#include "attune/nn/spatial_gating_mixer.h"

#include <array>

#include "attune/attention/scaled_dot.h"
#include "attune/base/check.h"
#include "attune/nn/attention_state.h"
#include "attune/nn/multi_head_attention.h"
#include "attune/ops/concat.h"
#include "attune/ops/reshape.h"

namespace attune {

namespace {

int64_t inner_of(const MixerOptions& options) {
  return options.spatial.inner > 0 ? options.spatial.inner : 4 * int64_t{options.width};
}

int64_t channels_of(const MixerOptions& options) {
  return attention::gate_channels(options.spatial.gate, inner_of(options));
}

Shape weight_shape(const SpatialGatingForm& form) {
  const int64_t heads = form.heads, n = form.positions;
  return form.toeplitz ? Shape{heads, 2 * n - 1} : Shape{heads, n, n};
}

// Of what each row has read: the gate's rows, and the tiny attention's keys and values.
struct GatedState : MixerState {
  explicit GatedState(int rows) : gates(rows), attended(rows) {}
  void reorder(std::span<const int> from) override {
    gates.reorder(from);
    attended.reorder(from);
  }
  GrowingState gates, attended;
};

}  // namespace

TinyAttention::TinyAttention(const MixerOptions& options, int64_t channels)
    : joined({options.width, 3 * int64_t{options.spatial.tiny_attention}, options.biases}, options.initialiser),
      output({options.spatial.tiny_attention, channels, options.biases}, options.initialiser),
      width(options.spatial.tiny_attention),
      heads(options.spatial.tiny_attention_heads),
      causal(options.causal),
      dropout(options.dropout) {}

Tensor TinyAttention::operator()(const Tensor& x, const Segments& segments, const Pass& pass) const {
  attention::Options options;
  options.mask.causal = causal;
  options.dropout = dropout_of_weights(dropout, pass);
  const Tensor joint = joined(x, pass);
  const auto parts = split(joint, std::array{width, width, width}, Along::columns);
  const auto in_heads = [&](const Tensor& part) { return reshape(part, {x.size(0), heads, width / heads}); };
  const Tensor q = in_heads(parts[0]), k = in_heads(parts[1]), v = in_heads(parts[2]);
  offer_weights({q, k, segments, segments}, options, pass);
  const Tensor mixed = attention::scaled_dot(q, k, v, segments, segments, options).out;
  return output(reshape(mixed, {x.size(0), width}), pass);
}

Tensor TinyAttention::step(const Tensor& x, MixerState& state, const Pass& pass) const {
  auto& past = dynamic_cast<GrowingState&>(state);
  const Tensor joint = joined(x, pass);
  past.append({joint.columns_view(width, 2 * width)});
  return output(attend_to_past(part_in_heads(joint, 0, {heads, width / heads}), past), pass);
}

void check_spatial_gating(const MixerOptions& options) {
  const SpatialGatingForm& form = options.spatial;
  check_usage(form.gate != attention::Gate::split || form.inner % 2 == 0,
              "feed-forward: expected an even number, which spatial-gate = split can halve, got ", form.inner);
  const int64_t channels = attention::gate_channels(form.gate, form.inner);
  check_usage(channels % form.heads == 0, "spatial-heads: expected a divisor of the gate's channels (", channels,
              "), got ", form.heads);
  check_usage(form.tiny_attention % form.tiny_attention_heads == 0,
              "tiny-attention-heads: expected a divisor of tiny-attention (", form.tiny_attention, "), got ",
              form.tiny_attention_heads);
}

SpatialGatingMixer::SpatialGatingMixer(const MixerOptions& options)
    : dropout_(options.spatial.dropout),
      gating_{.gate = options.spatial.gate, .causal = options.causal, .epsilon = options.spatial.epsilon},
      first_({options.width, inner_of(options), options.biases}, options.initialiser),
      second_({channels_of(options), options.width, options.biases}, options.initialiser),
      norm_(channels_of(options), NormKind::layer_norm, {options.spatial.epsilon}) {
  const SpatialGatingForm& form = options.spatial;
  spatial_.weight = Parameter(weight_shape(form), form.initialiser);
  spatial_.bias = Parameter({form.heads, form.positions}, {Initialiser::Kind::constant, 1});
  if (form.tiny_attention > 0) {
    attention_ = TinyAttention(options, channels_of(options));
  }
}

Tensor SpatialGatingMixer::inner(const Tensor& x, const Pass& pass) const {
  return first_(x, pass.within("inner"), {.activation = Activation::gelu, .dropout = dropout_});
}

attention::SpatialGatingInputs SpatialGatingMixer::inputs(const Tensor& z, const Tensor& addend) const {
  return {z, norm_.weight, norm_.bias, spatial_.weight, spatial_.bias, addend};
}

Tensor SpatialGatingMixer::operator()(const Tensor& x, const Segments& queries, const Tensor&, const Segments&,
                                      const Pass& pass) const {
  const Tensor z = inner(x, pass);
  const Tensor addend = attention_.width > 0 ? attention_(x, queries, pass.within("tiny_attention")) : Tensor();
  attention::SpatialGatingOptions options = gating_;
  options.compute = options.result = pass.compute;
  return second_(attention::spatial_gating(inputs(z, addend), queries, options), pass);
}

std::unique_ptr<MixerState> SpatialGatingMixer::begin(int rows) const {
  return std::make_unique<GatedState>(rows);
}

std::unique_ptr<MixerState> SpatialGatingMixer::begin(const Tensor&, const Segments&, std::span<const int>,
                                                      const Pass&) const {
  fail("the mixer spatial_gating mixes its own sequence, it cannot read another one");
}

Tensor SpatialGatingMixer::step(const Tensor& x, MixerState& any_state, const Pass& pass) const {
  auto& state = dynamic_cast<GatedState&>(any_state);
  const Tensor z = inner(x, pass);
  const Tensor addend = attention_.width > 0 ? attention_.step(x, state.attended, pass) : Tensor();
  const attention::SpatialGatingInputs now = inputs(z, addend);
  state.gates.append({attention::normalised_gate(now, gating_)});
  return second_(attention::spatial_gating_step(now, state.gates.cache(), state.gates.keys(), gating_), pass);
}

void SpatialGatingMixer::collect(Parameters& list, const std::string& name) {
  visit(*this, [&](const char* part, auto& module) { detail::collect(list, name + "." + part, module); });
}

MixerCost spatial_gating_cost(const MixerOptions& options, int length) {
  const int64_t width = options.width, inner = inner_of(options), channels = channels_of(options);
  const int64_t tiny = options.spatial.tiny_attention;
  const bool multiplies =
      options.spatial.gate == attention::Gate::split || options.spatial.gate == attention::Gate::multiplicative;
  // Before and behind GELU, the gate where it is multiplied by, LN's three figures; of the tiny attention queries,
  // keys, values, its result and a logarithm a head.
  return {.per_query = width * (inner + channels) + tiny * (3 * width + channels),
          .scores = (channels + 2 * tiny) * length,
          .kept = 2 * inner + (multiplies ? channels : 0) + 3 +
                  (tiny > 0 ? 4 * tiny + options.spatial.tiny_attention_heads : 0),
          .kept_for_products = tiny,
          .readers = tiny > 0 ? 2 : 1,
          .kept_operands = 2 * channels};  // the gate's normalised rows and the result
}

}  // namespace attune
