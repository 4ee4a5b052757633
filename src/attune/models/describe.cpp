#include "attune/models/describe.h"

#include <algorithm>
#include <cmath>

#include "attune/models/architecture.h"
#include "attune/models/label_models.h"
#include "attune/models/task.h"

namespace attune {

namespace {

// Weights that products read, as elements: all matrices but a table of embeddings that is no output layer.
int64_t product_weights(const ModelConfig& config, const Parameters& parameters) {
  int64_t elements = 0;
  for (const auto& entry : parameters.entries()) {
    const bool tied = config.tied_embeddings != "none";
    const bool table = entry.name == "source_embedding.weight" || entry.name == "encoder.types.weight" ||
                       (entry.name == "target_embedding.weight" && !tied) ||
                       ((entry.name == "encoder.embedding.weight" || entry.name == "embedding.weight") && !tied) ||
                       entry.name.ends_with("positions.table");
    elements += entry.parameter->rank() == 2 && !table ? entry.parameter->elements() : 0;
  }
  return elements;
}

// Of a training step beside the weights, Adam's moments and the average, in bytes. The most of: the end of the forward,
// with a chunk of logits, and the backward, with the gradients.
int64_t step_bytes(const DescribeOptions& options, const CostOptions& batch, const ModelCost& cost,
                   const Network& network, const OutputCost& output) {
  const RowBytes& bytes = batch.bytes;
  const int64_t classes = output.classes, width = network.config().width;
  const auto rows = static_cast<int64_t>(std::ceil(static_cast<double>(batch.target) * output.per_token));
  const int64_t gradients = 4 * network.parameters().flat_elements();
  // Packed weights: of the forward and of the loss; by then few of the backward, but all when batches went before.
  const bool again = options.update_freq > 1;
  const int64_t packed =
      (again ? 2 : 1) * product_weights(network.config(), network.parameters()) + (again ? 0 : classes * width);
  const int64_t kept = cost.kept + bytes.operand * packed + (again ? gradients : 0);
  const int64_t of_loss = 4 * (rows * width + classes * width + classes);
  const int64_t chunk =
      std::min<int64_t>(512, rows) * classes * (bytes.full + bytes.copy()) + rows * width * bytes.copy();
  const int64_t hidden = bytes.full * batch.target * width;  // when the backward begins, nothing needs it any more
  return kept + of_loss + std::max(chunk, gradients + cost.passing - hidden);
}

}  // namespace

ModelDescription describe(const ModelConfig& config, const DescribeOptions& options) {
  const auto network = make_network(config);
  ModelDescription result;
  const Parameters& parameters = network->parameters();
  result.parameters = parameters.count();
  for (const auto& entry : parameters.entries()) {
    result.tensors.push_back({entry.name, entry.parameter->shape()});
  }
  const bool of_images = !reads_text(config);
  const int patches = of_images ? image_shape(config).patches() : 0;
  const CostOptions batch{of_images ? patches : options.length,
                          options.source_batch_tokens > 0 ? options.source_batch_tokens : options.batch_tokens,
                          options.batch_tokens,
                          {4, options.compute == DType::bfloat16 ? 2 : 4}};
  const ModelCost cost = architecture_of_name(config.architecture).cost(config, batch);
  const OutputCost output = task_of_name(config.task).output_cost(config, batch);
  result.source_multiply_adds_per_token = cost.source_multiply_adds;
  result.target_multiply_adds_per_token = cost.target_multiply_adds + output.multiply_adds;

  if (of_images) {
    result.image_multiply_adds = patches * cost.source_multiply_adds + output.multiply_adds;
  }

  result.weight_bytes = 4 * result.parameters;
  result.training_state_bytes = (options.ema_decay > 0 ? 5 : 4) * result.weight_bytes;
  const int64_t buffers = options.ema_decay > 0 ? 4 : 3;  // weights, Adam's moments, the average
  result.training_step_bytes =
      buffers * 4 * parameters.flat_elements() + step_bytes(options, batch, cost, *network, output);
  result.activation_bytes = result.training_step_bytes - result.training_state_bytes;
  return result;
}

}  // namespace attune
