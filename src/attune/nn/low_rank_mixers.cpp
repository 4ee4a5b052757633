#include "attune/nn/low_rank_mixers.h"

#include <algorithm>
#include <cmath>

#include "attune/attention/landmarks.h"
#include "attune/attention/linformer.h"
#include "attune/attention/nystrom.h"
#include "attune/attention/token_projection.h"
#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/nn/multi_head_attention.h"

namespace attune {

ProjectionSharing projection_sharing_of_name(std::string_view name) {
  check_word("projection-sharing", name, {"none", "heads", "key_value", "layers"});
  return name == "none"        ? ProjectionSharing::none
         : name == "heads"     ? ProjectionSharing::heads
         : name == "key_value" ? ProjectionSharing::key_value
                               : ProjectionSharing::layers;
}

LinformerMixer::LinformerMixer(const MixerOptions& options)
    : ProjectedMixer("linformer", options),
      dropout_(options.dropout),
      sharing_(options.linformer.sharing),
      projections_(std::make_shared<Projections>()) {
  const LinformerForm& form = options.linformer;
  const Shape shape{sharing_ == ProjectionSharing::none ? heads_ : 1, form.length, form.positions};
  // So that projected keys begin with the variance of keys, where a sequence is as long as it may be.
  const Initialiser start{Initialiser::Kind::normal, 1 / std::sqrt(form.positions)};
  projections_->key = Parameter(shape, start);
  if (sharing_ == ProjectionSharing::none || sharing_ == ProjectionSharing::heads) {
    projections_->value = Parameter(shape, start);
  }
}

void LinformerMixer::share_with(const Mixer& first) {
  if (sharing_ == ProjectionSharing::layers && &first != this) {
    projections_ = dynamic_cast<const LinformerMixer&>(first).projections_;
    owned_ = false;
  }
}

void LinformerMixer::collect(Parameters& list, const std::string& name) {
  ProjectedMixer::collect(list, name);
  if (owned_) {
    detail::collect(list, name + ".projection", *projections_);
  }
}

Tensor LinformerMixer::attend(const Rows& rows, const Pass& pass) const {
  const Tensor& along_keys = projections_->key;
  const Tensor& along_values = projections_->value ? projections_->value : projections_->key;
  attention::LinformerOptions options;
  options.dropout = dropout_of_weights(dropout_, pass);
  return attention::linformer({rows.q, rows.k, rows.v, along_keys, along_values}, rows.segments, rows.segments,
                              options);
}

LinformerMixer::Parts LinformerMixer::parts(const Rows& of_one) const {
  const int64_t length = of_one.segments.length(0);
  const auto leading = [length](const Tensor& projection) {
    const int64_t rows = projection.size(0) * projection.size(1);
    return projection.viewed({rows, projection.size(2)})
        .columns_view(0, length)
        .compact()
        .viewed({projection.size(0), projection.size(1), length});
  };
  const Tensor& along_keys = projections_->key;
  const Segments projected = Segments::equal(1, static_cast<int>(along_keys.size(1)));
  const Tensor keys = attention::token_projection(of_one.k, along_keys, of_one.segments);
  return {{"projected_weights", attention::scaled_dot_weights(of_one.q, keys, of_one.segments, projected, 0)},
          {"key_projection", leading(along_keys)},
          {"value_projection", leading(projections_->value ? projections_->value : projections_->key)}};
}

MixerCost LinformerMixer::cost(const MixerOptions& options, int) {
  const int64_t projected = int64_t{options.width} * options.linformer.length;
  MixerCost cost = projected_cost(options);
  cost.per_key += 2 * projected;
  cost.per_query += 2 * projected;  // whatever the length
  cost.kept += options.heads;       // the logarithm of each head's sum
  return cost;
}

NystromMixer::NystromMixer(const MixerOptions& options) : ProjectedMixer("nystrom", options), form_(options.nystrom) {
  if (form_.taps > 0) {
    convolution_ = Parameter({heads_, form_.taps}, {Initialiser::Kind::normal, 1 / std::sqrt(form_.taps)});
  }
}

void NystromMixer::collect(Parameters& list, const std::string& name) {
  ProjectedMixer::collect(list, name);
  if (convolution_) {
    detail::collect(list, name + ".convolution", convolution_);
  }
}

Tensor NystromMixer::attend(const Rows& rows, const Pass&) const {
  attention::NystromOptions options;
  options.landmarks = form_.landmarks;
  options.rounds = form_.rounds;
  options.convolution = convolution_;
  return attention::nystrom(rows.q, rows.k, rows.v, rows.segments, options);
}

NystromMixer::Parts NystromMixer::parts(const Rows& of_one) const {
  const Segments &tokens = of_one.segments, landmarks = attention::landmark_segments(tokens, form_.landmarks);
  const Tensor q = attention::landmark_means(of_one.q, tokens, landmarks),
               k = attention::landmark_means(of_one.k, tokens, landmarks);
  return {{"token_landmarks", attention::scaled_dot_weights(of_one.q, k, tokens, landmarks, 0)},
          {"landmarks", attention::scaled_dot_weights(q, k, landmarks, landmarks, 0)},
          {"landmark_tokens", attention::scaled_dot_weights(q, of_one.k, landmarks, tokens, 0)}};
}

void check_nystrom(const MixerOptions& options) {
  const int taps = options.nystrom.taps;
  check_usage(taps == 0 || taps % 2 == 1, "value-kernel: expected 0 or an odd number, its middle at the token, got ",
              taps);
}

MixerCost NystromMixer::cost(const MixerOptions& options, int length) {
  const int64_t width = options.width;
  const auto landmarks = std::min<int64_t>(options.nystrom.landmarks, length);
  // Four products of [landmarks, landmarks] a round and head, and the last one with B V, once a sequence.
  const int64_t rounds = 4 * options.nystrom.rounds * options.heads * landmarks * landmarks * landmarks;
  MixerCost cost = projected_cost(options);
  cost.per_query += 2 * width * landmarks + width * options.nystrom.taps;
  cost.per_key += 2 * width * landmarks + (rounds + landmarks * landmarks * width) / std::max(1, length);
  cost.kept += options.heads;  // the logarithm of each head's sum
  return cost;
}

}  // namespace attune
