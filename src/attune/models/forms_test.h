// The forms of every architecture that tests go over: small, and one word of the config changed at a time. A new
// architecture joins by a row in forms_of(); without one the tests fail.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "attune/models/architecture.h"
#include "attune/nn/initialise.h"

namespace attune::testing {

inline ModelConfig tiny(std::string_view architecture) {
  ModelConfig config = defaults_of(architecture);
  config.encoder_layers = std::min(config.encoder_layers, 2),
  config.decoder_layers = std::min(config.decoder_layers, 2);
  config.width = 16, config.heads = 2, config.feed_forward = 24;
  config.max_positions = 16;
  config.source_vocabulary = config.target_vocabulary = 20;
  return config;
}

struct Change {
  const char* name;
  void (*apply)(ModelConfig&);
};

// gMLP on both sides, with spatial weights large enough to be seen and an inner width that a test's other one can
// halve.
inline void gate(ModelConfig& config) {
  config.encoder_mixer = config.decoder_mixer = "spatial_gating";
  config.positions = "none";
  config.spatial_initialiser = "uniform(0.5)";
}

inline const std::vector<Change>& changes_of(std::string_view architecture) {
  static const std::map<std::string_view, std::vector<Change>> all{
      {"transformer",
       {{"post_norm", [](ModelConfig& c) { c.norm_position = "post"; }},
        {"rms_norm", [](ModelConfig& c) { c.norm = "rms_norm"; }},
        {"gelu", [](ModelConfig& c) { c.activation = "gelu"; }},
        {"gated", [](ModelConfig& c) { c.gated_feed_forward = true; }},
        {"no_biases", [](ModelConfig& c) { c.biases = false; }},
        {"learned_positions", [](ModelConfig& c) { c.positions = "learned"; }},
        {"untied", [](ModelConfig& c) { c.tied_embeddings = "none"; }},
        {"all_tied", [](ModelConfig& c) { c.tied_embeddings = "all"; }},
        {"mean_cross_mixer", [](ModelConfig& c) { c.cross_mixer = "mean"; }},
        {"mean_encoder_mixer", [](ModelConfig& c) { c.encoder_mixer = "mean"; }},
        {"rnn_mixers", [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "rnn"; }},
        {"gru_mixers", [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "gru"; }},
        {"lstm_mixers", [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "lstm"; }},
        {"convolution_encoder_mixer", [](ModelConfig& c) { c.encoder_mixer = "convolution"; }},
        {"convolution_mixers",
         [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "convolution", c.kernel_width = 4; }},
        {"gmlp_encoder", [](ModelConfig& c) { gate(c), c.decoder_mixer = "scaled_dot"; }},
        {"gmlp", [](ModelConfig& c) { gate(c); }},
        {"gmlp_multiplicative", [](ModelConfig& c) { gate(c), c.spatial_gate = "multiplicative"; }},
        {"gmlp_additive", [](ModelConfig& c) { gate(c), c.spatial_gate = "additive"; }},
        {"gmlp_linear", [](ModelConfig& c) { gate(c), c.spatial_gate = "linear"; }},
        {"gmlp_toeplitz", [](ModelConfig& c) { gate(c), c.spatial_toeplitz = true; }},
        {"gmlp_heads", [](ModelConfig& c) { gate(c), c.spatial_heads = 2; }},
        {"gmlp_post_norm", [](ModelConfig& c) { gate(c), c.norm_position = "post"; }},
        {"gmlp_dropout", [](ModelConfig& c) { gate(c), c.activation_dropout = 0.3; }},
        {"amlp", [](ModelConfig& c) { gate(c), c.tiny_attention = 6, c.tiny_attention_heads = 2; }},
        {"amlp_no_biases", [](ModelConfig& c) { gate(c), c.tiny_attention = 6, c.biases = false; }},
        {"local",
         [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "local", c.window = 4, c.dilation = "1,2"; }},
        {"local_relu", [](ModelConfig& c) { c.encoder_mixer = "local", c.window = 2, c.normaliser = "relu_sum"; }},
        {"local_global",
         [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "local", c.window = 2, c.global_tokens = 1; }},
        {"local_rotary",
         [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "local", c.window = 2, c.positions = "rotary"; }},
        {"strided", [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "sparse", c.stride = 3; }},
        {"fixed",
         [](ModelConfig& c) {
           c.encoder_mixer = c.decoder_mixer = "sparse", c.sparse_pattern = "fixed", c.stride = 3, c.summary = 2;
         }},
        {"bigbird", [](ModelConfig& c) { c.encoder_mixer = "bigbird", c.block = c.random_blocks = 1; }},
        {"bigbird_global_tokens",
         [](ModelConfig& c) {
           c.encoder_mixer = "bigbird", c.block = c.window_blocks = c.random_blocks = c.global_tokens = 1;
           c.global_blocks = 0;
         }},
        {"lsh", [](ModelConfig& c) { c.encoder_mixer = "lsh", c.lsh_chunk = 2; }},
        {"lsh_decoder", [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "lsh", c.lsh_hashes = 1; }},
        {"linformer", [](ModelConfig& c) { c.encoder_mixer = "linformer", c.projected_length = 4; }},
        {"linformer_unshared",
         [](ModelConfig& c) { c.encoder_mixer = "linformer", c.projected_length = 4, c.projection_sharing = "none"; }},
        {"linformer_key_value",
         [](ModelConfig& c) {
           c.encoder_mixer = "linformer", c.projected_length = 4, c.projection_sharing = "key_value";
         }},
        {"linformer_layers",
         [](ModelConfig& c) {
           c.encoder_mixer = "linformer", c.projected_length = 4, c.projection_sharing = "layers";
         }},
        {"performer", [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "performer", c.features = 8; }},
        {"performer_relu",
         [](ModelConfig& c) {
           c.encoder_mixer = c.decoder_mixer = "performer", c.feature_kernel = "relu", c.feature_redraw = false;
         }},
        {"linear", [](ModelConfig& c) { c.encoder_mixer = c.decoder_mixer = "linear"; }},
        {"nystrom", [](ModelConfig& c) { c.encoder_mixer = "nystrom", c.landmarks = 3, c.value_kernel = 3; }},
        {"relu_mean", [](ModelConfig& c) { c.normaliser = "relu_mean"; }},
        {"attention_norm", [](ModelConfig& c) { c.normaliser = "relu_mean", c.attention_norm = "rms_norm"; }},
        {"relu_sum", [](ModelConfig& c) { c.normaliser = "relu_sum"; }},
        {"sigmoid", [](ModelConfig& c) { c.normaliser = "sigmoid"; }},
        {"no_embedding_scale", [](ModelConfig& c) { c.embedding_scale = false; }},
        {"embedding_initialiser", [](ModelConfig& c) { c.embedding_initialiser = "normal(0.5)"; }},
        {"sinusoidal_concatenated", [](ModelConfig& c) { c.positions = "sinusoidal_concatenated"; }},
        {"sinusoidal_tensor2tensor", [](ModelConfig& c) { c.positions = "sinusoidal_tensor2tensor"; }},
        {"relative", [](ModelConfig& c) { c.positions = "relative"; }},
        {"relative_offset", [](ModelConfig& c) { c.positions = "relative_offset", c.max_positions = 3; }},
        {"rotary", [](ModelConfig& c) { c.positions = "rotary"; }},
        {"rotary_halves", [](ModelConfig& c) { c.positions = "rotary_halves"; }},
        {"alibi", [](ModelConfig& c) { c.positions = "alibi"; }},
        {"rotary_decoder_alone", [](ModelConfig& c) { c.positions = "rotary", c.encoder_mixer = "gru"; }},
        {"survival", [](ModelConfig& c) { c.survival = 0.5; }},
        {"post_norm_survival", [](ModelConfig& c) { c.norm_position = "post", c.survival = 0.5; }},
        {"reversible", [](ModelConfig& c) { c.reversible = true; }},
        {"reversible_gmlp", [](ModelConfig& c) { gate(c), c.reversible = true; }},
        {"reversible_chunks",
         [](ModelConfig& c) {
           c.reversible = c.gated_feed_forward = true, c.feed_forward_chunk = 4;
           c.survival = 0.7, c.activation_dropout = 0.3, c.norm = "rms_norm";
         }},
        {"feed_forward_chunks", [](ModelConfig& c) { c.feed_forward_chunk = 2, c.activation_dropout = 0.3; }},
        {"no_positions", [](ModelConfig& c) { c.positions = "none"; }},
        {"gelu_tanh", [](ModelConfig& c) { c.activation = "gelu_tanh"; }},
        {"tanh", [](ModelConfig& c) { c.activation = "tanh"; }},
        {"post_rms_norm", [](ModelConfig& c) { c.norm_position = "post", c.norm = "rms_norm"; }},
        {"dropout_rates",
         [](ModelConfig& c) { c.attention_dropout = 0.4, c.activation_dropout = 0.3, c.embedding_dropout = 0; }},
        {"orthogonal", [](ModelConfig& c) { c.initialiser = "orthogonal"; }}}},
      {"rnn", {{"every_step", [](ModelConfig& c) { c.source_vector = "every_step"; }}}},
      {"gru",
       {{"reset_after", [](ModelConfig& c) { c.gru_reset = "after"; }},
        {"start", [](ModelConfig& c) { c.source_vector = "start"; }},
        {"bidirectional", [](ModelConfig& c) { c.bidirectional = true; }},
        {"no_biases", [](ModelConfig& c) { c.biases = false; }},
        {"untied", [](ModelConfig& c) { c.tied_embeddings = "none"; }}}},
      {"lstm",
       {{"not_reversed", [](ModelConfig& c) { c.reverse_source = false; }},
        {"bidirectional", [](ModelConfig& c) { c.reverse_source = false, c.bidirectional = true; }},
        {"every_step", [](ModelConfig& c) { c.source_vector = "every_step"; }},
        {"all_tied", [](ModelConfig& c) { c.tied_embeddings = "all"; }},
        {"no_embedding_scale", [](ModelConfig& c) { c.embedding_scale = false; }},
        {"no_biases", [](ModelConfig& c) { c.biases = false; }}}},
      {"bahdanau",
       {{"reset_after", [](ModelConfig& c) { c.gru_reset = "after"; }},
        {"two_encoder_layers", [](ModelConfig& c) { c.encoder_layers = 2; }},
        {"no_biases", [](ModelConfig& c) { c.biases = false; }},
        {"untied", [](ModelConfig& c) { c.tied_embeddings = "none"; }},
        {"all_tied", [](ModelConfig& c) { c.tied_embeddings = "all"; }}}},
      {"luong",
       {{"dot", [](ModelConfig& c) { c.cross_mixer = "dot"; }},
        {"concat", [](ModelConfig& c) { c.cross_mixer = "concat"; }},
        {"location", [](ModelConfig& c) { c.cross_mixer = "location"; }},
        {"local_m", [](ModelConfig& c) { c.attention_window = "local-m", c.window_reach = 1; }},
        {"local_p", [](ModelConfig& c) { c.attention_window = "local-p", c.window_reach = 2; }},
        {"local_p_concat",
         [](ModelConfig& c) { c.attention_window = "local-p", c.window_reach = 2, c.cross_mixer = "concat"; }},
        {"no_feeding", [](ModelConfig& c) { c.input_feeding = false; }},
        {"no_feeding_dot", [](ModelConfig& c) { c.input_feeding = false, c.cross_mixer = "dot"; }},
        {"no_feeding_concat", [](ModelConfig& c) { c.input_feeding = false, c.cross_mixer = "concat"; }},
        {"no_feeding_location", [](ModelConfig& c) { c.input_feeding = false, c.cross_mixer = "location"; }},
        {"no_feeding_local_m",
         [](ModelConfig& c) { c.input_feeding = false, c.attention_window = "local-m", c.window_reach = 1; }},
        {"no_feeding_local_p",
         [](ModelConfig& c) { c.input_feeding = false, c.attention_window = "local-p", c.window_reach = 2; }},
        {"gru", [](ModelConfig& c) { c.cell = "gru"; }},
        {"gru_reset_before", [](ModelConfig& c) { c.cell = "gru", c.gru_reset = "before"; }},
        {"rnn", [](ModelConfig& c) { c.cell = "rnn"; }},
        {"bidirectional", [](ModelConfig& c) { c.bidirectional = true; }},
        {"reversed", [](ModelConfig& c) { c.reverse_source = true; }},
        {"no_biases", [](ModelConfig& c) { c.biases = false; }},
        {"untied", [](ModelConfig& c) { c.tied_embeddings = "none"; }},
        {"all_tied", [](ModelConfig& c) { c.tied_embeddings = "all"; }}}},
      {"convolutional",
       {{"kernel_5", [](ModelConfig& c) { c.kernel_width = 5; }},
        {"kernel_2", [](ModelConfig& c) { c.kernel_width = 2; }},
        {"kernel_1", [](ModelConfig& c) { c.kernel_width = 1; }},
        {"other_channels", [](ModelConfig& c) { c.channels = "12"; }},
        {"growing_channels", [](ModelConfig& c) { c.channels = "6,10"; }},
        {"untied", [](ModelConfig& c) { c.tied_embeddings = "none"; }},
        {"all_tied", [](ModelConfig& c) { c.tied_embeddings = "all"; }},
        {"sinusoidal", [](ModelConfig& c) { c.positions = "sinusoidal"; }},
        {"embedding_dropout", [](ModelConfig& c) { c.embedding_dropout = 0; }}}},
  };
  return all.at(architecture);
}

struct Form {
  std::string name;  // "transformer.post_norm"
  ModelConfig config;
};

// Of every architecture.
inline std::vector<Form> forms() {
  std::vector<Form> list;
  for (const Architecture& architecture : architectures()) {
    const std::string word(architecture.word);
    list.push_back({word, tiny(word)});
    for (const Change& change : changes_of(word)) {
      list.push_back({word + "." + change.name, tiny(word)});
      change.apply(list.back().config);
    }
  }
  return list;
}

inline std::unique_ptr<Model> ready(const ModelConfig& config, DType dtype = DType::float32) {
  auto model = make_model(config);
  model->parameters().allocate(dtype);
  initialise(model->parameters(), Rng(1));
  return model;
}

// Pairs with an empty source, an empty target, and both long and short.
inline std::vector<Example> examples() {
  return {{{5, 6, 7}, {8, 9}}, {{4}, {3, 5, 6, 7, 11}}, {{}, {4}}, {{9, 8, 7, 6, 5, 4, 3}, {}}};
}

}  // namespace attune::testing
