#include "attune/models/describe.h"

#include "attune/models/model.h"
#include "attune/nn/mixer.h"

namespace attune {

namespace {

// Multiply-adds per token of the products of one feed-forward layer.
int64_t feed_forward_cost(const ModelConfig& config) {
  return int64_t{config.width} * config.feed_forward * (config.gated_feed_forward ? 3 : 2);
}

MixerCost cost_of(const std::string& mixer, const ModelConfig& config, int length) {
  MixerOptions options;
  options.width = config.width;
  options.heads = config.heads;
  return mixer_kind(mixer).cost(options, length);
}

// Floats that the backward needs per token of a layer: what each op saves. A sublayer keeps its norm's input and
// result, the residual sum, and its own intermediates.
int64_t saved_by_attention(const ModelConfig& config, bool keys_here) {
  return int64_t{config.width} * (keys_here ? 7 : 5);  // norm, query (key, value), mixed, output, sum
}

int64_t saved_by_feed_forward(const ModelConfig& config) {
  return int64_t{config.width} * 3 + int64_t{config.feed_forward} * (config.gated_feed_forward ? 4 : 3);
}

}  // namespace

ModelDescription describe(const ModelConfig& config, const DescribeOptions& options) {
  const auto model = make_model(config);
  ModelDescription result;
  result.parameters = model->parameters().count();
  for (const auto& entry : model->parameters().entries()) {
    result.tensors.push_back({entry.name, entry.parameter->shape()});
  }
  const int64_t width = config.width;
  const MixerCost encoder = cost_of(config.encoder_mixer, config, options.length);
  const MixerCost decoder = cost_of(config.decoder_mixer, config, options.length);
  const MixerCost cross = cost_of(config.cross_mixer, config, options.length);
  const int64_t feed_forward = feed_forward_cost(config);
  result.source_multiply_adds_per_token =
      config.encoder_layers * (encoder.per_query + encoder.per_key + encoder.scores + feed_forward) +
      config.decoder_layers * cross.per_key;
  result.target_multiply_adds_per_token =  // a causal mixer sees half of the keys on average
      config.decoder_layers *
          (decoder.per_query + decoder.per_key + decoder.scores / 2 + cross.per_query + cross.scores + feed_forward) +
      width * int64_t{config.target_vocabulary};

  const int64_t encoder_saved =
      config.encoder_layers * (saved_by_attention(config, true) + saved_by_feed_forward(config));
  const int64_t decoder_saved =
      config.decoder_layers *
      (saved_by_attention(config, true) + saved_by_attention(config, false) + saved_by_feed_forward(config));
  const int64_t cross_keys = config.decoder_layers * 2 * width;  // per source token
  result.weight_bytes = 4 * result.parameters;
  result.training_state_bytes = (options.ema_decay > 0 ? 5 : 4) * result.weight_bytes;
  const int64_t output_chunk = 512 * int64_t{config.target_vocabulary} + int64_t{config.target_vocabulary} * width;
  result.activation_bytes =
      4 * (options.batch_tokens * (encoder_saved + decoder_saved + cross_keys + 6 * width) + output_chunk);
  result.training_step_bytes = result.training_state_bytes + result.activation_bytes;
  return result;
}

}  // namespace attune
