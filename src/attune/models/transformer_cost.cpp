#include <algorithm>

#include "attune/models/mixer_options.h"
#include "attune/models/task.h"
#include "attune/models/transformer.h"
#include "attune/nn/mixer.h"

namespace attune {

namespace {

bool feeds_forward(const std::string& mixer) {
  return mixer_kind(mixer).feeds_forward;
}

// Multiply-adds per token of the products of the feed-forward layer behind a mixer.
int64_t feed_forward_cost(const std::string& mixer, const ModelConfig& config) {
  return feeds_forward(mixer) ? 0 : int64_t{config.width} * config.feed_forward * (config.gated_feed_forward ? 3 : 2);
}

MixerCost cost_of(const std::string& mixer, const ModelConfig& config, int length) {
  return mixer_kind(mixer).cost(self_mixer_options(config, 0), length);
}

// ---- The memory of a training step, in bytes ------------------------------------------------------------------------

// A sublayer's input and normalised input, and three statistics. Of a float32 result (post-norm) each product that
// reads it keeps a rounded copy, when they round.
int64_t kept_by_norm(const ModelConfig& config, const RowBytes& bytes, int readers) {
  const bool shared = config.norm_position == "pre" || !bytes.rounds();
  return config.width * (bytes.full + (shared ? 1 : readers) * bytes.operand) + 3 * bytes.full;
}

// Queries, result (rounded for the output's product as well, or normalised) and the logarithm of each head's sum.
int64_t kept_by_queries(const ModelConfig& config, const RowBytes& bytes) {
  const int64_t normalised = config.width * bytes.operand + 2 * bytes.full;
  return config.width * 2 * bytes.full + config.heads * bytes.full +
         (config.attention_norm == "none" ? config.width * bytes.copy() : normalised);
}

int64_t kept_by_keys(const ModelConfig& config, const RowBytes& bytes) {
  return 2 * config.width * bytes.full;
}

// The inner activations, and before them what their slopes are functions of.
int64_t kept_inside(const ModelConfig& config, const RowBytes& bytes) {
  const int64_t before = config.gated_feed_forward ? 2 : config.activation == "relu" ? 0 : 1;
  return config.feed_forward * (before * bytes.full + bytes.operand);
}

// In chunks the norm's result alone. Nothing behind a mixer that feeds forward itself.
int64_t kept_by_feed_forward(const std::string& mixer, const ModelConfig& config, const RowBytes& bytes) {
  if (feeds_forward(mixer)) {
    return 0;
  }
  return kept_by_norm(config, bytes, 1) + (config.feed_forward_chunk > 0 ? 0 : kept_inside(config, bytes));
}

// Of a mixer that mixes its own sequence.
int64_t kept_by_mixer(const ModelConfig& config, const RowBytes& bytes, const MixerCost& mixer) {
  return kept_by_norm(config, bytes, static_cast<int>(mixer.readers)) + mixer.kept * bytes.full +
         mixer.kept_for_products * bytes.copy() + mixer.kept_operands * bytes.operand;
}

// Of a mixer and the feed-forward layer behind it.
int64_t kept_by_sublayers(const std::string& mixer, const ModelConfig& config, const CostOptions& batch) {
  return kept_by_mixer(config, batch.bytes, cost_of(mixer, config, batch.length)) +
         kept_by_feed_forward(mixer, config, batch.bytes);
}

// Of a stack of layers that keep so much each. A reversible one keeps the last two streams, however deep it is.
int64_t kept_by_stack(const ModelConfig& config, const RowBytes& bytes, int layers, int64_t layer) {
  return config.reversible ? 2 * config.width * bytes.full : layers * layer;
}

int64_t kept_by_cross_attention(const ModelConfig& config, const RowBytes& bytes) {
  return kept_by_norm(config, bytes, 1) + kept_by_queries(config, bytes);
}

int64_t kept_activations(const ModelConfig& config, const CostOptions& batch) {
  const RowBytes& bytes = batch.bytes;
  const int64_t encoder = kept_by_sublayers(config.encoder_mixer, config, batch),
                decoder =
                    kept_by_sublayers(config.decoder_mixer, config, batch) + kept_by_cross_attention(config, bytes);
  // Behind the last layer: the norm's input, the memory or the hidden state, and their statistics.
  const int64_t memory = config.norm_position == "pre"
                             ? config.width * (bytes.full + bytes.operand) + 3 * bytes.full
                             : config.width * (bytes.rounds() ? 2 * config.decoder_layers * bytes.operand : bytes.full);
  const int64_t hidden = config.width * (config.norm_position == "pre" ? 2 : 1) * bytes.full;
  const int64_t keys = config.reversible ? 0 : config.decoder_layers * kept_by_keys(config, bytes);
  return batch.source * (kept_by_stack(config, bytes, config.encoder_layers, encoder) + memory + keys) +
         batch.target * (kept_by_stack(config, bytes, config.decoder_layers, decoder) + hidden);
}

// The gradients of the inner activations on both sides of the activation.
int64_t passing_inside(const ModelConfig& config, const RowBytes& bytes) {
  return config.feed_forward * (config.gated_feed_forward ? 3 * bytes.full : bytes.full + bytes.operand);
}

// What the backward of a feed-forward layer needs beside what is kept: those, and the gradient of the residual; in
// chunks, one chunk's inner activations as well.
int64_t passing_in_feed_forward(const ModelConfig& config, const RowBytes& bytes, int64_t rows) {
  const int64_t outer = rows * 2 * config.width * bytes.full, inner = passing_inside(config, bytes);
  return config.feed_forward_chunk == 0
             ? rows * inner + outer
             : std::min<int64_t>(rows, config.feed_forward_chunk) * (inner + kept_inside(config, bytes)) + outer;
}

// The same of a mixer: of queries, keys and values, and of the residual; or of inner activations of its own.
int64_t passing_in_mixer(const std::string& mixer, const ModelConfig& config, const RowBytes& bytes, int64_t rows) {
  const int64_t fed = feeds_forward(mixer) ? passing_inside(config, bytes) + 2 * config.width * bytes.full : 0;
  return rows * std::max(7 * config.width * bytes.full, fed);
}

// Of a reversible stack with this mixer: what one sublayer would have kept, but the stream that it reads; that stream
// and the other, the gradients of both, and what the sublayer adds.
int64_t passing_in_reversible(const std::string& mixer, const ModelConfig& config, const CostOptions& batch,
                              int64_t rows) {
  const RowBytes& bytes = batch.bytes;
  const int64_t streams = 4 * config.width * bytes.full;
  const int64_t mixed = rows * kept_by_mixer(config, bytes, cost_of(mixer, config, batch.length)) +
                        passing_in_mixer(mixer, config, bytes, rows);
  const int64_t fed = rows * kept_by_feed_forward(mixer, config, bytes) + passing_in_feed_forward(config, bytes, rows);
  return rows * streams + (feeds_forward(mixer) ? mixed : std::max(mixed, fed));
}

// What the backward of a layer needs beside what is kept, at most.
int64_t passing_in_layer(const std::string& mixer, const ModelConfig& config, const CostOptions& batch, int64_t rows) {
  if (config.reversible) {
    return passing_in_reversible(mixer, config, batch, rows);
  }
  const int64_t fed = feeds_forward(mixer) ? 0 : passing_in_feed_forward(config, batch.bytes, rows);
  return std::max(fed, passing_in_mixer(mixer, config, batch.bytes, rows));
}

int64_t passing_in_backward(const ModelConfig& config, const CostOptions& batch) {
  const int64_t memory = config.decoder_layers > 1 ? batch.source * config.width * batch.bytes.full : 0;
  return std::max(passing_in_layer(config.decoder_mixer, config, batch, batch.target) + memory,
                  passing_in_layer(config.encoder_mixer, config, batch, batch.source));
}

// Behind the last layer of a stack that nothing attends to: the norm's input and result, and its statistics.
int64_t kept_behind_stack(const ModelConfig& config, const RowBytes& bytes) {
  return config.norm_position == "pre" ? 2 * config.width * bytes.full + 3 * bytes.full : config.width * bytes.full;
}

// Of a model that is an encoder alone; its rows are the batch's target tokens, of which the task counts some.
ModelCost encoder_cost(const ModelConfig& config, const CostOptions& options) {
  const MixerCost mixer = cost_of(config.encoder_mixer, config, options.length);
  const RowBytes& bytes = options.bytes;
  ModelCost cost;
  cost.source_multiply_adds = config.encoder_layers * (mixer.per_query + mixer.per_key + mixer.scores +
                                                       feed_forward_cost(config.encoder_mixer, config));
  const int64_t layer = kept_by_sublayers(config.encoder_mixer, config, options);
  cost.kept =
      options.target * (kept_by_stack(config, bytes, config.encoder_layers, layer) + kept_behind_stack(config, bytes));
  cost.passing = passing_in_layer(config.encoder_mixer, config, options, options.target);
  return cost;
}

// Of a model that is a decoder alone; a causal mixer sees half of the keys on average.
ModelCost decoder_cost(const ModelConfig& config, const CostOptions& options) {
  const MixerCost mixer = cost_of(config.decoder_mixer, config, options.length);
  ModelCost cost;
  cost.target_multiply_adds = config.decoder_layers * (mixer.per_query + mixer.per_key + mixer.scores / 2 +
                                                       feed_forward_cost(config.decoder_mixer, config));
  const int64_t layer = kept_by_sublayers(config.decoder_mixer, config, options);
  cost.kept = options.target * (kept_by_stack(config, options.bytes, config.decoder_layers, layer) +
                                kept_behind_stack(config, options.bytes));
  cost.passing = passing_in_layer(config.decoder_mixer, config, options, options.target);
  return cost;
}

}  // namespace

ModelCost transformer_cost(const ModelConfig& config, const CostOptions& options) {
  if (is_encoder_task(config)) {
    return encoder_cost(config, options);
  }
  if (!has_encoder(config)) {
    return decoder_cost(config, options);
  }
  const MixerCost encoder = cost_of(config.encoder_mixer, config, options.length);
  const MixerCost decoder = cost_of(config.decoder_mixer, config, options.length);
  const MixerCost cross = cost_of(config.cross_mixer, config, options.length);
  ModelCost cost;
  cost.source_multiply_adds = config.encoder_layers * (encoder.per_query + encoder.per_key + encoder.scores +
                                                       feed_forward_cost(config.encoder_mixer, config)) +
                              config.decoder_layers * cross.per_key;
  cost.target_multiply_adds =  // a causal mixer sees half of the keys on average
      config.decoder_layers * (decoder.per_query + decoder.per_key + decoder.scores / 2 + cross.per_query +
                               cross.scores + feed_forward_cost(config.decoder_mixer, config));
  cost.kept = kept_activations(config, options);
  cost.passing = passing_in_backward(config, options);
  return cost;
}

}  // namespace attune
