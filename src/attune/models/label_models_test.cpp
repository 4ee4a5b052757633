// What holds for every model that tells labels, whatever it reads.
#include "attune/models/label_models.h"

#include <gtest/gtest.h>

#include <cstring>

#include "attune/base/error_of_test.h"
#include "attune/models/architecture.h"
#include "attune/models/describe.h"
#include "attune/nn/initialise.h"
#include "attune/nn/module_gradients.h"
#include "attune/ops/cross_entropy.h"
#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using testing::error_of;

ModelConfig tiny(const std::string& task) {
  ModelConfig config = defaults_of("transformer", task);
  config.encoder_layers = 1;
  config.width = 8, config.heads = 2, config.feed_forward = 12;
  config.max_positions = 16;
  config.activation = "silu";  // no kinks
  config.labels = 3;
  if (task == "image_classification") {
    config.image_size = "4x6", config.image_channels = 2, config.patch_size = 2;
  } else {
    config.source_vocabulary = config.target_vocabulary = 20;
  }
  return config;
}

std::vector<ModelConfig> forms() {
  std::vector<ModelConfig> all;
  for (const char* pooling : {"mean", "first", "last"}) {
    all.push_back(tiny("classification"));
    all.back().pooling = pooling;
  }
  all.push_back(tiny("tagging"));
  all.push_back(tiny("image_classification"));
  all.back().norm_position = "post";
  return all;
}

// The logits of so many examples, of 5, 1, 4, 5, 1, ... tokens (images: all alike); example i is the same in each
// batch.
Tensor logits_of(const EncoderModel& model, const std::vector<int>& examples, const Pass& pass = {}) {
  const ModelConfig& config = model.config();
  if (const auto* images = dynamic_cast<const ImageModel*>(&model)) {
    const ImageShape shape = image_shape(config);
    std::vector<double> pixels;
    for (const int example : examples) {
      for (int i = 0; i < shape.patches() * shape.patch_pixels(); ++i) {
        pixels.push_back(0.1 * ((example * 31 + i * 7) % 23) - 1);
      }
    }
    const auto rows = static_cast<int64_t>(examples.size()) * shape.patches();
    const Tensor patches =
        Tensor::of<double>({rows, shape.patch_pixels()}, pixels).to(model.parameters().flat().dtype());
    return images->logits(patches, Segments::of_lengths(std::vector<int>(examples.size(), shape.patches())), pass);
  }
  std::vector<int> lengths;
  std::vector<int32_t> ids, rows;
  for (const int example : examples) {
    lengths.push_back(std::vector{5, 1, 4}[static_cast<size_t>(example % 3)]);
    rows.push_back(static_cast<int32_t>(ids.size()));
    for (int i = 0; i < lengths.back(); ++i) ids.push_back((example * 5 + i * 3) % config.source_vocabulary);
  }
  const Segments segments = Segments::of_lengths(lengths);
  if (const auto* tagging = dynamic_cast<const TaggingModel*>(&model)) {
    return tagging->logits({ids, segments}, rows, pass);
  }
  return dynamic_cast<const ClassificationModel&>(model).logits({ids, segments}, pass);
}

std::unique_ptr<EncoderModel> ready(const ModelConfig& config, DType dtype = DType::float32) {
  std::unique_ptr<EncoderModel> model;
  if (config.task == "classification") model = std::make_unique<ClassificationModel>(config);
  if (config.task == "tagging") model = std::make_unique<TaggingModel>(config);
  if (config.task == "image_classification") model = std::make_unique<ImageModel>(config);
  model->parameters().allocate(dtype);
  initialise(model->parameters(), Rng(1));
  return model;
}

TEST(LabelModels, an_example_does_not_depend_on_its_batch) {
  for (const ModelConfig& config : forms()) {
    const auto model = ready(config);
    const Tensor together = logits_of(*model, {0, 1, 2, 3, 4});
    ASSERT_EQ(together.shape(), (Shape{5, 3}));
    for (int i = 0; i < 5; ++i) {
      const Tensor alone = logits_of(*model, {i});
      EXPECT_EQ(std::memcmp(alone.data<float>().data(), together.data<float>().data() + 3 * i, 3 * sizeof(float)), 0)
          << config.task << ' ' << config.pooling << ' ' << i;
    }
  }
}

TEST(LabelModels, every_form_has_right_parameter_gradients_in_float64) {
  const std::vector<int32_t> gold{0, 2, 1};
  for (const ModelConfig& config : forms()) {
    const auto model = ready(config, DType::float64);
    const Pass pass{.dropout = Rng(4)};
    const auto loss = [&] { return cross_entropy(logits_of(*model, {0, 1, 2}, pass), gold).loss; };
    const ParameterGradientError worst = parameter_gradient_error(model->parameters(), loss);
    EXPECT_LE(worst.error, 2e-7) << config.task << ' ' << worst.where;
    EXPECT_GT(worst.checked, 50) << config.task;
  }
}

TEST(LabelModels, pooling_reads_the_mean_the_first_or_the_last_hidden_state) {
  std::vector<std::vector<float>> seen;
  for (const char* pooling : {"mean", "first", "last"}) {
    ModelConfig config = tiny("classification");
    config.pooling = pooling;
    const auto model = ready(config);
    const Tensor one = logits_of(*model, {1});  // of one token, where all are the same
    const Tensor five = logits_of(*model, {0});
    for (const Tensor& logits : {one, five}) {
      const auto values = logits.data<float>();
      seen.emplace_back(values.begin(), values.end());
    }
  }
  EXPECT_EQ(seen[0], seen[2]);
  EXPECT_EQ(seen[0], seen[4]);
  EXPECT_NE(seen[1], seen[3]);
  EXPECT_NE(seen[1], seen[5]);
  EXPECT_NE(seen[3], seen[5]);
}

TEST(LabelModels, a_binary_head_has_one_logit_and_two_labels) {
  ModelConfig config = tiny("classification");
  config.binary_head = true;
  EXPECT_EQ(error_of([&] { check_config(config); }), "binary-head: one logit tells 2 labels apart, there are 3");
  config.labels = 2;
  EXPECT_EQ(logits_of(*ready(config), {0, 1}).shape(), (Shape{2, 1}));
}

TEST(LabelModels, describe_counts_what_an_image_costs_by_hand) {
  const ModelConfig config = tiny("image_classification");
  const ModelDescription d = describe(config);
  const int64_t width = 8, inner = 12, pixels = 2 * 2 * 2, patches = 6, labels = 3;
  const int64_t attention = 4 * (width * width + width), feed = 2 * width * inner + inner + width, norm = 2 * width;
  EXPECT_EQ(d.parameters,
            pixels * width + width + patches * width + attention + feed + 3 * norm + labels * width + labels);
  const int64_t layer = 4 * width * width + 2 * width * patches + 2 * width * inner;  // of a patch
  EXPECT_EQ(d.image_multiply_adds, patches * (pixels * width + layer) + width * labels);
  for (const ModelConfig& form : forms()) {
    EXPECT_EQ(describe(form).parameters, ready(form)->parameters().count()) << form.task;
  }
}

TEST(LabelModels, an_image_size_is_one_number_or_height_and_width) {
  ModelConfig config = tiny("image_classification");
  EXPECT_EQ(image_shape(config).height, 4);
  EXPECT_EQ(image_shape(config).width, 6);
  EXPECT_EQ(image_shape(config).patches(), 6);
  EXPECT_EQ(image_size_text(4, 6), "4x6");
  EXPECT_EQ(image_size_text(28, 28), "28");
  config.image_size = "28", config.patch_size = 4;
  EXPECT_EQ(image_shape(config).patches(), 49);
  for (const char* wrong : {"x", "28x", "x28", "28x28x3", "0", "-4", "28 "}) {
    config.image_size = wrong;
    EXPECT_NE(error_of([&] { check_config(config); }).find(std::string("got \"") + wrong), std::string::npos) << wrong;
  }
  config.image_size = "28x30";
  EXPECT_EQ(error_of([&] { check_config(config); }),
            "patch-size: expected a number that divides the images' height (28) and width (30), got 4");
}

}  // namespace
}  // namespace attune
