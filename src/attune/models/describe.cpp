#include "attune/models/describe.h"

#include <algorithm>

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

// ---- The memory of a training step ----------------------------------------------------------------------------------
// Bytes that live at the same time; what an op keeps for its backward it says itself. A tensor that several ops keep
// counts once.

struct Tokens {
  int64_t source, target;  // of a batch
};

// Widths are in elements of a row: of float32, and of what products read (bfloat16, or float32 again).
struct RowBytes {
  int64_t full, operand;
  bool rounds() const { return operand != full; }
  // A copy beside a float32 tensor, for products to read; none when they read that one.
  int64_t copy() const { return rounds() ? operand : 0; }
};

// A sublayer's input and normalised input, and three statistics. Of a float32 result (post-norm) each product that
// reads it keeps a rounded copy, when they round.
int64_t kept_by_norm(const ModelConfig& config, const RowBytes& bytes, int readers) {
  const bool shared = config.norm_position == "pre" || !bytes.rounds();
  return config.width * (bytes.full + (shared ? 1 : readers) * bytes.operand) + 3 * bytes.full;
}

// Queries, result (rounded for the output's product as well) and the logarithm of each head's sum.
int64_t kept_by_queries(const ModelConfig& config, const RowBytes& bytes) {
  return config.width * (2 * bytes.full + bytes.copy()) + config.heads * bytes.full;
}

int64_t kept_by_keys(const ModelConfig& config, const RowBytes& bytes) {
  return 2 * config.width * bytes.full;
}

// The inner activations, and before them what their slopes are functions of.
int64_t kept_by_feed_forward(const ModelConfig& config, const RowBytes& bytes) {
  const int64_t before = config.gated_feed_forward ? 2 : config.activation == "relu" ? 0 : 1;
  return config.feed_forward * (before * bytes.full + bytes.operand);
}

int64_t kept_activations(const ModelConfig& config, const RowBytes& bytes, const Tokens& batch) {
  const int64_t feed_forward = kept_by_norm(config, bytes, 1) + kept_by_feed_forward(config, bytes);
  const int64_t self = kept_by_norm(config, bytes, 3) + kept_by_queries(config, bytes) + kept_by_keys(config, bytes);
  const int64_t cross = kept_by_norm(config, bytes, 1) + kept_by_queries(config, bytes);
  // Behind the last layer: the norm's input, the memory or the hidden state, and their statistics.
  const int64_t memory = config.norm_position == "pre"
                             ? config.width * (bytes.full + bytes.operand) + 3 * bytes.full
                             : config.width * (bytes.rounds() ? 2 * config.decoder_layers * bytes.operand : bytes.full);
  const int64_t hidden = config.width * (config.norm_position == "pre" ? 2 : 1) * bytes.full;
  return batch.source * (config.encoder_layers * (self + feed_forward) + memory +
                         config.decoder_layers * kept_by_keys(config, bytes)) +
         batch.target * (config.decoder_layers * (self + cross + feed_forward) + hidden);
}

// What the backward of a layer needs beside what is kept, at most: the gradients of the inner activations on both sides
// of the activation, or of queries, keys and values, and of the residual.
int64_t passing_in_backward(const ModelConfig& config, const RowBytes& bytes, const Tokens& batch) {
  const int64_t inner = config.gated_feed_forward ? 3 * bytes.full : bytes.full + bytes.operand;
  const int64_t row =
      std::max(config.feed_forward * inner + 2 * config.width * bytes.full, 7 * config.width * bytes.full);
  const int64_t memory = config.decoder_layers > 1 ? batch.source * config.width * bytes.full : 0;
  return std::max(batch.target * row + memory, batch.source * row);
}

// Weights that products read, as elements: all matrices but a table of embeddings that is no output layer.
int64_t product_weights(const ModelConfig& config, const Parameters& parameters) {
  int64_t elements = 0;
  for (const auto& entry : parameters.entries()) {
    const bool table = entry.name == "source_embedding.weight" ||
                       (entry.name == "target_embedding.weight" && config.tied_embeddings == "none") ||
                       entry.name.ends_with("positions.table");
    elements += entry.parameter->rank() == 2 && !table ? entry.parameter->elements() : 0;
  }
  return elements;
}

// The most of: the end of the forward, with a chunk of logits, and the backward, with the gradients.
int64_t step_bytes(const ModelConfig& config, const DescribeOptions& options, const Parameters& parameters) {
  const bool rounds = options.compute == DType::bfloat16;
  const RowBytes bytes{4, rounds ? 2 : 4};
  const Tokens batch{options.source_batch_tokens > 0 ? options.source_batch_tokens : options.batch_tokens,
                     options.batch_tokens};
  const int64_t vocabulary = config.target_vocabulary, width = config.width, gradients = 4 * parameters.flat_elements();
  // Packed weights: of the forward and of the loss; by then few of the backward, but all when batches went before.
  const bool again = options.update_freq > 1;
  const int64_t packed = (again ? 2 : 1) * product_weights(config, parameters) + (again ? 0 : vocabulary * width);
  const int64_t kept = kept_activations(config, bytes, batch) + bytes.operand * packed + (again ? gradients : 0);
  const int64_t of_loss = 4 * (batch.target * width + vocabulary * width + vocabulary);
  const int64_t chunk = std::min<int64_t>(512, batch.target) * vocabulary * (bytes.full + bytes.copy()) +
                        batch.target * width * bytes.copy();
  return kept + of_loss + std::max(chunk, gradients + passing_in_backward(config, bytes, batch));
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

  const Parameters& parameters = model->parameters();
  result.weight_bytes = 4 * result.parameters;
  result.training_state_bytes = (options.ema_decay > 0 ? 5 : 4) * result.weight_bytes;
  const int64_t buffers = options.ema_decay > 0 ? 4 : 3;  // weights, Adam's moments, the average
  result.training_step_bytes = buffers * 4 * parameters.flat_elements() + step_bytes(config, options, parameters);
  result.activation_bytes = result.training_step_bytes - result.training_state_bytes;
  return result;
}

}  // namespace attune
