// Encoder-only models that tell classes: of a text, of every word of it, of an image. Each is the encoder and one
// linear layer behind it.
#pragma once

#include <span>

#include "attune/models/encoder_model.h"
#include "attune/nn/linear.h"

namespace attune {

// What the classification head reads of a text: the mean of its hidden states, the first one or the last one.
enum class Pooling : uint8_t { mean, first, last };
Pooling pooling_of_name(std::string_view name);  // throws a UsageError that lists the known words

class ClassificationModel : public EncoderModel {
 public:
  explicit ClassificationModel(const ModelConfig& config);

  // [sequences, labels]; with binary-head [sequences, 1], the logit of the second label
  Tensor logits(const EncoderInput& input, const Pass& pass) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("encoder", self.encoder_);
    each("head", self.head_);
  }

 private:
  Pooling pooling_;
  Linear head_;
};

class TaggingModel : public EncoderModel {
 public:
  explicit TaggingModel(const ModelConfig& config);

  // [rows, labels], of the tokens `rows` alone: the first piece of every word
  Tensor logits(const EncoderInput& input, std::span<const int32_t> rows, const Pass& pass) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("encoder", self.encoder_);
    each("head", self.head_);
  }

 private:
  Linear head_;
};

// A vision Transformer (Dosovitskiy et al. 2021) or, by its mixer, a gMLP (Liu et al. 2021): patches, linearly
// embedded, through the encoder; the mean of what comes out is classified.
class ImageModel : public EncoderModel {
 public:
  explicit ImageModel(const ModelConfig& config);

  // patches [images * patches, pixels of a patch] -> [images, labels]
  Tensor logits(const Tensor& patches, const Segments& images, const Pass& pass) const;

  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("patches", self.patches_);
    each("encoder", self.encoder_);
    each("head", self.head_);
  }

 private:
  Linear patches_, head_;
};

// What image-size ("28", or "28x20" for height and width), image-channels and patch-size say.
struct ImageShape {
  int height = 0, width = 0, channels = 1, patch = 4;

  int patches() const { return (height / patch) * (width / patch); }
  int64_t patch_pixels() const { return int64_t{patch} * patch * channels; }
};
// Throws a UsageError for what is no size, and where the patch does not divide it.
ImageShape image_shape(const ModelConfig& config);
std::string image_size_text(int height, int width);

// Rows of the table of tasks.
void check_classification(const ModelConfig& config);
void check_tagging(const ModelConfig& config);
void check_image_classification(const ModelConfig& config);
void set_image_classification_defaults(ModelConfig& config);
OutputCost classification_output_cost(const ModelConfig& config, const CostOptions& options);
OutputCost tagging_output_cost(const ModelConfig& config, const CostOptions& options);
OutputCost image_classification_output_cost(const ModelConfig& config, const CostOptions& options);

}  // namespace attune
