#include "attune/nn/feature_mixer.h"

#include <cmath>

#include "attune/attention/linear_attention.h"
#include "attune/attention/performer.h"
#include "attune/ops/embedding.h"
#include "attune/ops/reshape.h"

namespace attune {

namespace {

struct CarriedFeatures : MixerState {
  attention::FeatureState state;  // not given: nothing read yet
  Tensor features;                // of a performer

  void reorder(std::span<const int> from) override {
    const std::vector<int32_t> rows(from.begin(), from.end());
    for (Tensor* part : {&state.sums, &state.normaliser, &state.log_scale}) {
      if (*part) {
        std::vector<int64_t> sizes;
        for (int i = 0; i < part->rank(); ++i) {
          sizes.push_back(i == 0 ? static_cast<int64_t>(rows.size()) : part->size(i));
        }
        const int64_t row = part->elements() / std::max<int64_t>(1, part->size(0));
        *part = embedding(part->viewed({part->size(0), row}), rows).viewed(Shape(sizes));
      }
    }
  }
};

int features_of(const MixerOptions& options) {
  const double depth = options.width / options.heads;
  return options.performer.features > 0 ? options.performer.features
                                        : std::max(1, static_cast<int>(std::ceil(depth * std::log(depth))));
}

constexpr uint64_t evaluation_seed = 0;

}  // namespace

LinearAttentionMixer::LinearAttentionMixer(const MixerOptions& options) : ProjectedMixer("linear", options) {}

Tensor LinearAttentionMixer::attend(const Rows& rows, const Pass&) const {
  return attention::linear_attention(rows.q, rows.k, rows.v, rows.segments, rows.segments, {.causal = causal_});
}

LinearAttentionMixer::Parts LinearAttentionMixer::parts(const Rows& of_one) const {
  return {{"query_features", by_head(attention::linear_map(of_one.q))},
          {"key_features", by_head(attention::linear_map(of_one.k))}};
}

std::unique_ptr<MixerState> LinearAttentionMixer::start(int) const {
  return std::make_unique<CarriedFeatures>();
}

Tensor LinearAttentionMixer::step(const Tensor& x, MixerState& state, const Pass& pass) const {
  const auto [q, k, v] = project_step(x, pass);
  return put_out(
      attention::linear_attention_step(q, k, v, dynamic_cast<CarriedFeatures&>(state).state, {.causal = true}), pass);
}

MixerCost LinearAttentionMixer::cost(const MixerOptions& options, int) {
  const int64_t depth = options.width / options.heads;
  MixerCost cost = projected_cost(options);
  cost.per_query += options.width * depth;  // of the sums S by a query's features
  cost.per_key += options.width * depth;    // of the features by values
  return cost;
}

Tensor evaluation_features(const Shape& shape, int layer, DType dtype) {
  return attention::random_features(shape, Rng(evaluation_seed).stream(static_cast<uint64_t>(layer)), 0, {}, dtype);
}

PerformerMixer::PerformerMixer(const MixerOptions& options)
    : ProjectedMixer("performer", options), form_(options.performer), layer_(options.layer) {
  form_.features = features_of(options);
  options_.causal = options.causal;
  options_.kernel = form_.kernel;
}

Tensor PerformerMixer::features(const Pass& pass, DType dtype) const {
  const Shape shape{form_.features, depth_};
  return pass.dropout && form_.redraw
             ? attention::random_features(shape, pass.dropout->stream("features"), 0, {}, dtype)
             : evaluation_features(shape, layer_, dtype);
}

Tensor PerformerMixer::attend(const Rows& rows, const Pass& pass) const {
  return attention::performer(rows.q, rows.k, rows.v, features(pass, rows.q.dtype()), rows.segments, rows.segments,
                              options_);
}

PerformerMixer::Parts PerformerMixer::parts(const Rows& of_one) const {
  const Tensor drawn = features({}, of_one.q.dtype());
  return {{"query_features", by_head(attention::performer_map(of_one.q, drawn, options_))},
          {"key_features", by_head(attention::performer_map(of_one.k, drawn, options_))}};
}

std::unique_ptr<MixerState> PerformerMixer::start(int) const {
  auto state = std::make_unique<CarriedFeatures>();
  state->features = features({}, DType::float32);
  return state;
}

Tensor PerformerMixer::step(const Tensor& x, MixerState& state, const Pass& pass) const {
  const auto [q, k, v] = project_step(x, pass);
  auto& carried = dynamic_cast<CarriedFeatures&>(state);
  return put_out(attention::performer_step(q, k, v, carried.features, carried.state, options_), pass);
}

MixerCost PerformerMixer::cost(const MixerOptions& options, int) {
  const int64_t features = features_of(options);
  MixerCost cost = projected_cost(options);
  cost.per_query += 2 * options.width * features;  // w.q, and the sums S by a query's features
  cost.per_key += 2 * options.width * features;
  return cost;
}

}  // namespace attune
