#include "attune/models/config.h"

#include <algorithm>
#include <set>

#include "attune/attention/scaled_dot.h"
#include "attune/attention/spatial_gating.h"
#include "attune/base/json.h"
#include "attune/base/option_checks.h"
#include "attune/models/architecture.h"
#include "attune/models/task.h"
#include "attune/models/transformer.h"
#include "attune/nn/initialise.h"
#include "attune/nn/mixer.h"
#include "attune/nn/norm.h"
#include "attune/nn/positions.h"
#include "attune/ops/activation.h"
#include "attune/text/tokenizer.h"

namespace attune {

namespace {

// Keys were added after the versions before this one: a config of theirs that lacks a key means its default.
constexpr int format_version = 5;
constexpr int format_of_images = 3;  // the first that knows of pixels
constexpr int oldest_format = 1;
constexpr int deepest_model = 1024;  // layers
constexpr int widest_kernel = 1024;  // tokens
constexpr int most_rounds = 1000;
constexpr int most_channels = 1024, largest_patch = 1024;
constexpr int largest = 1 << 20;  // of any size in a config: what a file claims must not decide how much is allocated

void check_size(const char* key, int value, int least) {
  check_whole(key, value, {least, largest});
}

// `least`: 0, or -1 for what may stand for another rate.
void check_rate(const char* key, double value, double least) {
  if (value != least) {
    check_number(key, value, {0, 1, false, true});
  }
}

}  // namespace

void check_config(const ModelConfig& config) {
  const Task& task = task_of_name(config.task);
  const Architecture& architecture = architecture_of_name(config.architecture);
  check_whole("encoder-layers", config.encoder_layers, {1, deepest_model});
  check_whole("decoder-layers", config.decoder_layers, {1, deepest_model});
  check_size("width", config.width, 1);
  check_size("heads", config.heads, 1);
  check_size("feed-forward", config.feed_forward, 1);
  check_size("max-positions", config.max_positions, 1);
  check_size("vocab-size", config.vocab_size, 4);
  check_word("gru-reset", config.gru_reset, {"before", "after"});
  check_word("source-vector", config.source_vector, {"start", "every_step"});
  check_number("forget-bias", config.forget_bias, {-10, 10, false, false});
  check_word("cell", config.cell, {"lstm", "gru", "rnn"});
  check_word("attention-window", config.attention_window, {"global", "local-m", "local-p"});
  check_size("window-reach", config.window_reach, 1);
  check_whole("kernel-width", config.kernel_width, {1, widest_kernel});
  check_size("window", config.window, 2);
  check_size("global-tokens", config.global_tokens, 0);
  check_word("sparse-pattern", config.sparse_pattern, {"strided", "fixed"});
  check_size("stride", config.stride, 1);
  check_size("summary", config.summary, 1);
  check_size("block", config.block, 1);
  check_size("window-blocks", config.window_blocks, 1);
  check_size("global-blocks", config.global_blocks, 0);
  check_size("random-blocks", config.random_blocks, 0);
  check_whole("lsh-hashes", config.lsh_hashes, {1, most_rounds});
  check_size("lsh-chunk", config.lsh_chunk, 0);
  check_size("projected-length", config.projected_length, 1);
  check_size("features", config.features, 0);
  check_word("feature-kernel", config.feature_kernel, {"exponential", "relu"});
  check_size("landmarks", config.landmarks, 1);
  check_whole("landmark-rounds", config.landmark_rounds, {0, most_rounds});
  check_whole("value-kernel", config.value_kernel, {0, widest_kernel});
  check_size("spatial-heads", config.spatial_heads, 1);
  check_size("tiny-attention", config.tiny_attention, 0);
  check_size("tiny-attention-heads", config.tiny_attention_heads, 1);
  check_number("spatial-norm-epsilon", config.spatial_norm_epsilon, {0, 1, true, true});
  check_number("encoder-gradient", config.encoder_gradient, {0, 1});
  check_word("attention-norm", config.attention_norm, {"none", "layer_norm", "rms_norm"});
  check_word("norm-position", config.norm_position, {"pre", "post"});
  check_word("tied-embeddings", config.tied_embeddings, {"none", "decoder", "all"});
  check_usage(config.tied_embeddings != "all" || config.joint_vocabulary,
              "tied-embeddings: all needs joint-vocabulary = true, got false");
  check_number("norm-epsilon", config.norm_epsilon, {0, 1, true, true});
  check_number("survival", config.survival, {0, 1, true, false});
  check_size("feed-forward-chunk", config.feed_forward_chunk, 0);
  check_rate("dropout", config.dropout, 0);
  check_rate("embedding-dropout", config.embedding_dropout, -1);
  check_rate("attention-dropout", config.attention_dropout, -1);
  check_rate("activation-dropout", config.activation_dropout, -1);
  check_whole("labels", config.labels, {0, largest});
  check_whole("image-channels", config.image_channels, {0, most_channels});
  check_whole("patch-size", config.patch_size, {1, largest_patch});
  check_number("pixel-mean", config.pixel_mean, {0, 255});
  check_number("pixel-deviation", config.pixel_deviation, {0, 255, true, false});
  attention::normaliser_of_name(config.normaliser);
  norm_kind_of_name(config.norm);
  activation_of_name(config.activation);
  position_kind_of_name(config.positions);
  tokenizer_kind(config.tokenizer);
  initialiser_of_name(config.initialiser);
  initialiser_of_name(config.recurrent_initialiser, "recurrent-initialiser");
  initialiser_of_name(config.spatial_initialiser, "spatial-initialiser");
  attention::gate_of_name(config.spatial_gate, "spatial-gate");
  if (!config.embedding_initialiser.empty()) {
    initialiser_of_name(config.embedding_initialiser, "embedding-initialiser");
  }
  architecture.check(config);
  task.check(config);
}

bool decoder_ends_at_max_positions(const ModelConfig& config) {
  return config.positions == "learned" || mixer_kind(config.decoder_mixer).ends_at_max_positions;
}

bool ends_at_max_positions(const ModelConfig& config) {
  return decoder_ends_at_max_positions(config) || mixer_kind(config.encoder_mixer).ends_at_max_positions;
}

std::string_view what_ends_at_max_positions(const ModelConfig& config) {
  return config.positions == "learned"
             ? "positions = learned"
             : mixer_kind(decoder_ends_at_max_positions(config) ? config.decoder_mixer : config.encoder_mixer).word;
}

std::string to_json(const ModelConfig& config) {
  nlohmann::ordered_json json;
  json["format-version"] = format_version;
  ModelConfig::visit(config, [&](const char* key, const auto& field, const char*) { json[key] = field; });
  json["source-vocabulary"] = config.source_vocabulary;
  json["target-vocabulary"] = config.target_vocabulary;
  json["pixel-mean"] = config.pixel_mean;
  json["pixel-deviation"] = config.pixel_deviation;
  return json.dump(2) + "\n";
}

ModelConfig read_config(const std::string& text, const std::string& where) {
  const nlohmann::json json = parse_json_object(text, where, 1);
  const nlohmann::json version = json.value("format-version", nlohmann::json());
  check(version.is_number_integer() && version >= oldest_format && version <= format_version, where,
        ": format-version is ", version.dump(), ", this program reads ", oldest_format, " to ", format_version);
  ModelConfig config;
  std::set<std::string> known{"format-version", "source-vocabulary", "target-vocabulary", "pixel-mean",
                              "pixel-deviation"};
  ModelConfig::visit(config, [&](const char* key, const auto&, const char*) { known.insert(key); });
  for (const auto& [key, value] : json.items()) {
    check(known.count(key) == 1, where, ": unknown key \"", key, "\"; was the model made by a newer version?");
  }
  const auto read = [&](const char* key, auto& field) {
    field = read_value_of<std::decay_t<decltype(field)>>(json, key, where);
  };
  ModelConfig::visit(config, [&](const char* key, auto& field, const char*) {
    if (version == format_version || json.contains(key)) {
      read(key, field);
    }
  });
  read("source-vocabulary", config.source_vocabulary);
  read("target-vocabulary", config.target_vocabulary);
  if (version >= format_of_images) {
    read("pixel-mean", config.pixel_mean);
    read("pixel-deviation", config.pixel_deviation);
  }
  try {
    // Earlier versions took a rate that acts nowhere; the model is the same without it.
    if (version < format_version && config.architecture == "transformer" && !can_drop_weights(config)) {
      config.attention_dropout = -1;
    }
    check_config(config);
  } catch (const UsageError& error) {
    fail(where, ": ", error.what());
  }
  for (const int size : {config.source_vocabulary, config.target_vocabulary}) {
    check(!reads_text(config) || (size >= 4 && size <= largest), where, ": a vocabulary of ", size,
          " pieces, expected 4 to ", largest);
  }
  return config;
}

}  // namespace attune
