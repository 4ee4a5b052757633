#include "attune/models/encoder_model.h"

#include "attune/base/check.h"
#include "attune/base/profile.h"
#include "attune/models/task.h"
#include "attune/nn/initialise.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/embedding.h"

namespace attune {

void check_encoder_task(const ModelConfig& config) {
  check_usage(config.architecture == "transformer", "architecture: a model for the task ", config.task,
              " is an encoder alone, which only a transformer has, got \"", config.architecture, "\"");
}

void set_masked_language_model_defaults(ModelConfig& config) {
  config.tied_embeddings = "all";
}

void check_masked_language_model(const ModelConfig& config) {
  check_encoder_task(config);
  check_usage(config.tied_embeddings != "decoder",
              "tied-embeddings: a masked language model has one table of embeddings; expected all (the output layer "
              "is that table) or none, got \"decoder\"");
}

OutputCost masked_language_model_output_cost(const ModelConfig& config, const CostOptions&) {
  constexpr double masked = 0.15;
  const int64_t width = config.width, transform = config.prediction_transform ? width * width : 0;
  return {width * config.target_vocabulary + transform, config.target_vocabulary, masked};
}

Encoder::Encoder(const ModelConfig& settings) : config(settings), stack(settings) {
  if (reads_text(config)) {
    check(config.source_vocabulary > 0 && config.source_vocabulary == config.target_vocabulary, config.task,
          ": expected one vocabulary, got ", config.source_vocabulary, " and ", config.target_vocabulary, " pieces");
    embedding = Embedding(config.source_vocabulary, config.width, embedding_start(config));
  }
  if (config.next_sentence) {
    types = Embedding(2, config.width, embedding_start(config));
  }
  if (config.embedding_norm) {
    embedding_norm = make_norm(config);
  }
}

Tensor Encoder::operator()(const EncoderInput& input, const Pass& pass) const {
  const Tensor rows = scaled_embedding(input.ids, embedding.weight, config);
  pass.within("embedding").offer("rows", rows);
  check(input.types.empty() == !types.weight, "encoder: kinds of sentences are ",
        types.weight ? "needed" : "unknown to this model, which has no next-sentence");
  return mix(types.weight ? add(rows, attune::embedding(types.weight, input.types)) : rows, input.segments, pass);
}

Tensor Encoder::mix(const Tensor& rows, const Segments& segments, const Pass& pass) const {
  const ProfileScope scope("encoder");
  const Tensor placed = stack.positions(rows, segments);
  return stack(drop_embedding(embedding_norm.weight ? embedding_norm(placed) : placed, config, pass), segments, pass);
}

MaskedLanguageHead::MaskedLanguageHead(const ModelConfig& config) : output(config, config.biases) {
  const LinearShape square{config.width, config.width};
  const Initialiser start = initialiser_of_name(config.initialiser);
  if (config.prediction_transform) {
    transform = Linear(square, start);
    transform_norm = make_norm(config);
  }
  if (config.next_sentence) {
    pooler = Linear(square, start);
    next_sentence = Linear({config.width, 2}, start);
  }
}

MaskedLanguageModel::MaskedLanguageModel(const ModelConfig& config) : EncoderModel(config), head_(config) {
  parameters_ = parameters_of(*this);
}

Tensor MaskedLanguageModel::predicted(const Tensor& hidden, std::span<const int32_t> rows, const Pass& pass) const {
  const Tensor chosen = embedding(hidden, rows);  // rows of a matrix by number
  if (!head_.transform.weight) {
    return chosen;
  }
  const Activation activation = activation_of_name(config().activation);
  return head_.transform_norm(activate(head_.transform(chosen, pass), activation));
}

Tensor MaskedLanguageModel::next_sentence(const Tensor& hidden, const Segments& segments, const Pass& pass) const {
  check(static_cast<bool>(head_.pooler.weight), "next_sentence: the model was made without it");
  std::vector<int32_t> first;
  for (int i = 0; i < segments.count(); ++i) {
    first.push_back(static_cast<int32_t>(segments.begin(i)));
  }
  return head_.next_sentence(tanh(head_.pooler(embedding(hidden, first), pass)), pass);
}

}  // namespace attune
