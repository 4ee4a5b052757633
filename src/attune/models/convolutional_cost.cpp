#include <algorithm>

#include "attune/models/convolutional.h"

namespace attune {

namespace {

constexpr int64_t gathered_rows = 1024;

// Of the gated convolutions of one side.
struct StackCost {
  int64_t multiply_adds = 0;  // a token
  int64_t kept = 0;           // bytes a token
  int64_t weights = 0;        // elements, projections' too
  int64_t widest = 0, widest_window = 0, largest_weight = 0;
};

StackCost stack_cost(const ModelConfig& config, const std::vector<int>& channels, const RowBytes& bytes) {
  const int64_t width = config.width;
  StackCost cost;
  int64_t in = channels.front();
  for (const int64_t out : channels) {
    const int64_t kernel = 2 * out * in * config.kernel_width, projection = in != out ? in * out : 0;
    cost.weights += kernel + projection;
    // The input as the products read it (and again without dropout, for the projection), what the gate is of, and how
    // far the sentence reaches on both sides.
    cost.kept += (projection > 0 ? 2 : 1) * in * bytes.operand + 2 * out * bytes.full + 2 * bytes.full;
    cost.widest = std::max(cost.widest, out);
    cost.widest_window = std::max(cost.widest_window, in * config.kernel_width);
    cost.largest_weight = std::max(cost.largest_weight, kernel);
    in = out;
  }
  cost.weights += width * channels.front() + width * channels.back();  // into the stack and out of it
  cost.kept += (width + channels.back()) * bytes.operand;
  cost.multiply_adds = cost.weights;
  return cost;
}

}  // namespace

ModelCost convolutional_cost(const ModelConfig& config, const CostOptions& batch) {
  const RowBytes& bytes = batch.bytes;
  const int64_t width = config.width;
  const std::vector<int> decoder_channels = channels_of(config, config.decoder_layers);
  const StackCost encoder = stack_cost(config, channels_of(config, config.encoder_layers), bytes);
  StackCost decoder = stack_cost(config, decoder_channels, bytes);
  for (const int64_t channels : decoder_channels) {
    decoder.weights += 2 * width * channels;
    decoder.multiply_adds += 2 * width * channels + 2 * width * batch.length;
    // The gated unit's result for the query's product, query, result (rounded for its product as well), and the
    // logarithm of the sum.
    decoder.kept += channels * bytes.operand + width * (2 * bytes.full + bytes.copy()) + bytes.full;
  }
  ModelCost cost;
  cost.source_multiply_adds = encoder.multiply_adds;
  cost.target_multiply_adds = decoder.multiply_adds;
  // Keys and values; the hidden states; the weights, which normalised ones are made anew for every batch.
  const int64_t output = config.tied_embeddings == "none" ? width * int64_t{config.target_vocabulary} : 0;
  cost.kept = batch.source * (encoder.kept + 2 * width * bytes.full) +
              batch.target * (decoder.kept + width * bytes.full) +
              bytes.full * (encoder.weights + decoder.weights + output);
  // The gradients before the gate (rounded for the products as well), of the layer's input, of the residual and of the
  // embeddings; behind all decoder layers those of keys and values; the gradient of the weight itself, and the rows
  // that are gathered for it at a time.
  const auto row = [&](const StackCost& stack) {
    return 2 * stack.widest * (bytes.full + bytes.copy()) + 2 * stack.widest * bytes.full + width * bytes.full;
  };
  cost.passing =
      std::max(batch.target * row(decoder) + batch.source * 2 * width * bytes.full, batch.source * row(encoder)) +
      bytes.full * std::max(encoder.largest_weight, decoder.largest_weight) +
      bytes.operand * gathered_rows * std::max(encoder.widest_window, decoder.widest_window);
  return cost;
}

}  // namespace attune
