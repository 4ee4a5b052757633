#include "attune/models/label_models.h"

#include <array>
#include <charconv>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/data/patches.h"
#include "attune/nn/initialise.h"
#include "attune/ops/embedding.h"
#include "attune/ops/segment_reduce.h"

namespace attune {

namespace {

struct PoolingName {
  Pooling pooling;
  std::string_view word;
};
constexpr std::array pooling_names{PoolingName{Pooling::mean, "mean"}, PoolingName{Pooling::first, "first"},
                                   PoolingName{Pooling::last, "last"}};

int outputs(const ModelConfig& config) {
  return config.binary_head ? 1 : config.labels;
}

// labels, image-size and image-channels come from the training data; they are known once there is a model.
Linear make_head(const ModelConfig& config, int classes) {
  check_usage(config.labels >= 1, "labels: expected the number of classes, got ", config.labels);
  return Linear({config.width, classes}, initialiser_of_name(config.initialiser));
}

Tensor pooled(const Tensor& hidden, const Segments& segments, Pooling pooling) {
  if (pooling == Pooling::mean) {
    return segment_mean(hidden, segments);
  }
  std::vector<int32_t> rows;
  for (int i = 0; i < segments.count(); ++i) {
    check(segments.length(i) > 0, "classification: sequence ", i, " is empty");
    rows.push_back(static_cast<int32_t>(segments.begin(i) + (pooling == Pooling::first ? 0 : segments.length(i) - 1)));
  }
  return embedding(hidden, rows);  // rows of a matrix by number
}

Tensor dropped_head(const Linear& head, const Tensor& features, const ModelConfig& config, const Pass& pass) {
  const Pass heading = pass.within("head");
  return heading.shown("logits", head(drop(features, config.dropout, heading), heading));
}

// Every image has as many patches.
ModelConfig with_positions(ModelConfig config) {
  config.max_positions = image_shape(config).patches();
  return config;
}

int whole_number(std::string_view text, std::string_view whole) {
  constexpr int largest = 1 << 16;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  check_usage(error == std::errc() && end == text.data() + text.size() && value >= 1 && value <= largest,
              "image-size: expected pixels, 1 to ", largest, ", as 28 or, height and width, as 28x20, got \"", whole,
              "\"");
  return value;
}

}  // namespace

Pooling pooling_of_name(std::string_view name) {
  return entry_of_word("pooling", name, pooling_names, &PoolingName::word).pooling;
}

ClassificationModel::ClassificationModel(const ModelConfig& config)
    : EncoderModel(config), pooling_(pooling_of_name(config.pooling)), head_(make_head(config, outputs(config))) {
  parameters_ = parameters_of(*this);
}

Tensor ClassificationModel::logits(const EncoderInput& input, const Pass& pass) const {
  const Tensor hidden = encoder_(input, pass.within("encoder"));
  return dropped_head(head_, pooled(hidden, input.segments, pooling_), config(), pass);
}

TaggingModel::TaggingModel(const ModelConfig& config) : EncoderModel(config), head_(make_head(config, config.labels)) {
  parameters_ = parameters_of(*this);
}

Tensor TaggingModel::logits(const EncoderInput& input, std::span<const int32_t> rows, const Pass& pass) const {
  const Tensor hidden = encoder_(input, pass.within("encoder"));
  return dropped_head(head_, embedding(hidden, rows), config(), pass);
}

ImageModel::ImageModel(const ModelConfig& config)
    : EncoderModel(with_positions(config)),
      patches_({image_shape(config).patch_pixels(), config.width}, initialiser_of_name(config.initialiser)),
      head_(make_head(config, config.labels)) {
  parameters_ = parameters_of(*this);
}

Tensor ImageModel::logits(const Tensor& patches, const Segments& images, const Pass& pass) const {
  const Pass inner = pass.within("encoder");
  const Tensor hidden = encoder_.mix(inner.shown("patches", patches_(patches, inner)), images, inner);
  return dropped_head(head_, segment_mean(hidden, images), config(), pass);
}

ImageShape image_shape(const ModelConfig& config) {
  const std::string_view size = config.image_size;
  const size_t cross = size.find('x');
  ImageShape shape;
  shape.height = whole_number(size.substr(0, cross), size);
  shape.width = cross == std::string_view::npos ? shape.height : whole_number(size.substr(cross + 1), size);
  shape.channels = config.image_channels;
  shape.patch = config.patch_size;
  check_patches(shape.height, shape.width, shape.patch);
  return shape;
}

std::string image_size_text(int height, int width) {
  return height == width ? std::to_string(height) : std::to_string(height) + "x" + std::to_string(width);
}

void check_classification(const ModelConfig& config) {
  check_encoder_task(config);
  pooling_of_name(config.pooling);
  check_usage(!config.binary_head || config.labels == 0 || config.labels == 2,
              "binary-head: one logit tells 2 labels apart, there are ", config.labels);
}

void check_tagging(const ModelConfig& config) {
  check_encoder_task(config);
}

void check_image_classification(const ModelConfig& config) {
  check_encoder_task(config);
  if (!config.image_size.empty()) {  // otherwise the training images say it
    image_shape(config);
  }
}

// Nothing else tells a mixer where a patch lies.
void set_image_classification_defaults(ModelConfig& config) {
  config.positions = "learned";
}

OutputCost classification_output_cost(const ModelConfig& config, const CostOptions& options) {
  const int classes = outputs(config);
  return {int64_t{config.width} * classes, classes, 1.0 / options.length};
}

OutputCost tagging_output_cost(const ModelConfig& config, const CostOptions&) {
  return {int64_t{config.width} * config.labels, config.labels, 1};
}

OutputCost image_classification_output_cost(const ModelConfig& config, const CostOptions&) {
  const ImageShape shape = image_shape(config);
  const int64_t embedding = shape.patches() * shape.patch_pixels() * config.width;
  return {embedding + int64_t{config.width} * config.labels, config.labels, 1.0 / shape.patches()};
}

}  // namespace attune
