#include "attune/models/mixer_options.h"

#include "attune/attention/spatial_gating.h"
#include "attune/base/option_checks.h"
#include "attune/nn/initialise.h"

namespace attune {

namespace {

constexpr int farthest_dilation = 1 << 20;

SpatialGatingForm spatial_gating_form(const ModelConfig& config) {
  SpatialGatingForm form;
  form.inner = config.feed_forward;
  form.positions = config.max_positions;
  form.gate = attention::gate_of_name(config.spatial_gate, "spatial-gate");
  form.toeplitz = config.spatial_toeplitz;
  form.heads = config.spatial_heads;
  form.epsilon = config.spatial_norm_epsilon;
  form.dropout = rate_or(config.activation_dropout, config.dropout);
  form.initialiser = initialiser_of_name(config.spatial_initialiser, "spatial-initialiser");
  form.tiny_attention = config.tiny_attention;
  form.tiny_attention_heads = config.tiny_attention_heads;
  return form;
}

SparseForm sparse_form(const ModelConfig& config) {
  SparseForm form;
  form.window = {config.window, listed_numbers("dilation", config.dilation, {1, farthest_dilation})};
  form.fixed = config.sparse_pattern == "fixed";
  form.stride = config.stride;
  form.summary = config.summary;
  form.bigbird.block = config.block;
  form.bigbird.window_blocks = config.window_blocks;
  form.bigbird.global_blocks = config.global_blocks;
  form.bigbird.random_blocks = config.random_blocks;
  form.global_tokens = config.global_tokens;
  return form;
}

}  // namespace

double rate_or(double rate, double otherwise) {
  return rate < 0 ? otherwise : rate;
}

MixerOptions mixer_options(const ModelConfig& config) {
  MixerOptions options;
  options.width = config.width;
  options.heads = config.heads;
  options.biases = config.biases;
  options.dropout = rate_or(config.attention_dropout, config.dropout);
  options.normaliser = config.normaliser;
  options.attention_norm = config.attention_norm;
  options.kernel_width = config.kernel_width;
  options.initialiser = initialiser_of_name(config.initialiser);
  options.spatial = spatial_gating_form(config);
  options.sparse = sparse_form(config);
  options.linformer = {config.projected_length, config.max_positions,
                       projection_sharing_of_name(config.projection_sharing)};
  options.lsh = {config.lsh_hashes, config.lsh_chunk, config.lsh_sees_itself};
  options.performer = {
      config.features,
      config.feature_kernel == "relu" ? attention::PerformerKernel::relu : attention::PerformerKernel::exponential,
      config.feature_redraw};
  options.nystrom = {config.landmarks, config.landmark_rounds, config.value_kernel};
  return options;
}

MixerOptions self_mixer_options(const ModelConfig& config, int layer) {
  MixerOptions options = mixer_options(config);
  options.positions = position_kind_of_name(config.positions);
  options.max_positions = config.max_positions;
  options.layer = layer;
  return options;
}

MixerOptions causal_mixer_options(const ModelConfig& config, int layer) {
  MixerOptions options = self_mixer_options(config, layer);
  options.causal = true;
  return options;
}

}  // namespace attune
