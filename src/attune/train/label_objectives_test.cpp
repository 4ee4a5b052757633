#include "attune/train/label_objectives.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "attune/autograd/tape.h"
#include "attune/models/architecture.h"
#include "attune/nn/initialise.h"
#include "attune/ops/cross_entropy.h"
#include "attune/train/bigram_model_test.h"

namespace attune {
namespace {

ModelConfig tiny(const std::string& task, int labels) {
  ModelConfig config = defaults_of("transformer", task);
  config.encoder_layers = 1;
  config.width = 16, config.heads = 2, config.feed_forward = 32;
  config.labels = labels;
  if (task == "image_classification") {
    config.image_size = "4", config.image_channels = 1, config.patch_size = 2;
    config.pixel_mean = 60, config.pixel_deviation = 50;
  } else {
    config.source_vocabulary = config.target_vocabulary = 20;
  }
  return config;
}

void make_ready(Network& network) {
  network.parameters().allocate();
  initialise(network.parameters(), Rng(1));
}

TrainOptions options_of(int updates) {
  TrainOptions options = small_options();
  options.max_update = updates;
  options.label_smoothing = 0;
  return options;
}

// Texts of 3 to 6 pieces; the label says whether piece 7 is among them.
LabelledExamples texts(int count, uint64_t seed) {
  LabelledExamples result;
  for (int i = 0; i < count; ++i) {
    const Rng rng = Rng(seed).stream(static_cast<uint64_t>(i));
    Example example;
    for (uint64_t j = 0; j < 3 + rng.below(100, 4); ++j) {
      const int piece = 3 + static_cast<int>(rng.below(j, 16));
      example.source.push_back(piece == 7 ? 8 : piece);
    }
    const int label = static_cast<int>(rng.below(200, 2));
    if (label == 1) {
      example.source[rng.below(300, example.source.size())] = 7;
    }
    result.examples.push_back(example);
    result.labels.push_back(label);
  }
  return result;
}

// Words of one or two pieces, of which the first says the tag.
TaggedExamples sentences(int count, uint64_t seed) {
  TaggedExamples result;
  for (int i = 0; i < count; ++i) {
    const Rng rng = Rng(seed).stream(static_cast<uint64_t>(i));
    Example example;
    result.tags.emplace_back();
    result.sentences.first_pieces.emplace_back();
    for (uint64_t j = 0; j < 2 + rng.below(100, 4); ++j) {
      const int piece = 3 + static_cast<int>(rng.below(j, 9));
      result.sentences.first_pieces.back().push_back(static_cast<int32_t>(example.source.size()));
      result.tags.back().push_back(piece % 3);
      example.source.push_back(piece);
      if (rng.below(200 + j, 2) == 1) {
        example.source.push_back(15);
      }
    }
    result.sentences.examples.push_back(example);
  }
  return result;
}

// 4 x 4 pixels of which the upper or the lower half is bright.
ImageExamples images(int count) {
  ImageExamples result;
  result.images = {count, 4, 4, 1, {}};
  for (int i = 0; i < count; ++i) {
    result.labels.push_back(i * i % 7 % 2);
    for (int pixel = 0; pixel < 16; ++pixel) {
      const int noise =
          static_cast<int>(Rng(9).stream(static_cast<uint64_t>(i)).below(static_cast<uint64_t>(pixel), 40));
      result.images.pixels.push_back(static_cast<uint8_t>((pixel / 8 == result.labels.back() ? 100 : 0) + noise));
    }
  }
  return result;
}

ValidationFigures figures_after_training(Objective& objective, const TrainOptions& options) {
  const TemporaryDirectory directory;
  make_ready(objective.network());
  TrainRun run;
  run.directory = directory.path;
  train(objective, options, run);
  return objective.validate();
}

TEST(LabelObjectives, one_logit_loses_what_two_would_of_which_one_is_0) {
  const std::vector<double> logits{-30, -1.5, 0, 0.25, 40};
  std::vector<double> pairs;
  for (const double x : logits) {
    pairs.insert(pairs.end(), {0, x});
  }
  const std::vector<int> gold{0, 1, 1, 0, 0};
  for (const double smoothing : {0.0, 0.1}) {
    const LabelLoss one = label_loss(Tensor::of<double>({5, 1}, logits), gold, smoothing);
    const LabelLoss two = label_loss(Tensor::of<double>({5, 2}, pairs), gold, smoothing);
    EXPECT_NEAR(one.loss.item(), two.loss.item(), 1e-9);
    EXPECT_NEAR(one.nll, two.nll, 1e-9);
  }
  const auto p = log_probabilities(Tensor::of<double>({2, 1}, std::vector<double>{0, 800}));
  EXPECT_NEAR(p[0][0], std::log(0.5), 1e-12);
  EXPECT_NEAR(p[1][0], -800, 1e-9);  // no infinity
  EXPECT_NEAR(p[1][1], 0, 1e-12);
}

TEST(LabelObjectives, a_text_is_told_by_one_of_its_words_whatever_the_head_and_the_pooling) {
  for (const bool binary : {false, true}) {
    for (const char* pooling : {"mean", "last"}) {
      ModelConfig config = tiny("classification", 2);
      config.binary_head = binary;
      config.pooling = pooling;
      ClassificationModel model(config);
      const TrainOptions options = options_of(120);
      ClassificationObjective objective(model, texts(300, 1), texts(60, 2), options);
      const ValidationFigures figures = figures_after_training(objective, options);
      ASSERT_TRUE(figures.score.has_value());
      EXPECT_EQ(figures.score->key, "accuracy");
      EXPECT_GT(figures.score->value, 0.95) << pooling << ' ' << binary;
      EXPECT_LT(figures.nll, 0.3);
    }
  }
}

TEST(LabelObjectives, words_are_tagged_at_their_first_piece) {
  TaggingModel model(tiny("tagging", 3));
  const TrainOptions options = options_of(100);
  const Labels tags({"O", "B-X", "I-X"}, "test");
  TaggingObjective objective(model, sentences(200, 1), sentences(40, 2), tags, options);
  const ValidationFigures figures = figures_after_training(objective, options);
  ASSERT_TRUE(figures.score.has_value());
  EXPECT_EQ(figures.score->key, "f1");
  EXPECT_GT(figures.score->value, 0.95);
  EXPECT_GT(objective.score().labels.accuracy, 0.95);
  // Tags that are no spans are scored by accuracy.
  TaggingModel other(tiny("tagging", 3));
  make_ready(other);
  TaggingObjective plain(other, sentences(20, 1), sentences(5, 2), Labels({"NOUN", "VERB", "X"}, "test"), options);
  EXPECT_EQ(plain.validate().score->key, "accuracy");
}

TEST(LabelObjectives, what_is_counted_are_examples_words_and_images) {
  const TrainOptions options = options_of(1);
  ClassificationModel classifier(tiny("classification", 2));
  make_ready(classifier);
  ClassificationObjective of_texts(classifier, texts(20, 1), {}, options);
  EXPECT_FALSE(of_texts.has_validation());
  int64_t counted = 0;
  for (int i = 0; i < of_texts.batches(0); ++i) counted += of_texts.loss(0, i, {}).counted;
  EXPECT_EQ(counted, 20);
  TaggingModel tagger(tiny("tagging", 3));
  make_ready(tagger);
  const TaggedExamples tagged = sentences(20, 1);
  size_t words = 0;
  for (const auto& tags : tagged.tags) words += tags.size();
  TaggingObjective of_words(tagger, tagged, {}, Labels({"a", "b", "c"}, "test"), options);
  counted = 0;
  for (int i = 0; i < of_words.batches(0); ++i) counted += of_words.loss(0, i, {}).counted;
  EXPECT_EQ(counted, static_cast<int64_t>(words));
  ImageModel viewer(tiny("image_classification", 2));
  make_ready(viewer);
  const ImageExamples train = images(60);
  const ImageExamples none;
  ImageObjective of_images(viewer, train, none, options);
  counted = 0;
  EXPECT_EQ(of_images.batches(0), 3);  // of 25 images: 100 tokens of 4 patches
  for (int i = 0; i < of_images.batches(0); ++i) counted += of_images.loss(0, i, {}).counted;
  EXPECT_EQ(counted, 60);
}

TEST(LabelObjectives, images_are_told_and_shifted_by_seed_and_epoch_alone) {
  const ImageExamples train = images(200), valid = images(50);
  TrainOptions options = options_of(60);
  ImageModel model(tiny("image_classification", 2));
  ImageObjective objective(model, train, valid, options);
  const ValidationFigures figures = figures_after_training(objective, options);
  EXPECT_EQ(figures.score->key, "accuracy");
  EXPECT_GT(figures.score->value, 0.95);
  options.shift = 1;
  const auto loss = [&](int64_t epoch, int index) { return objective.loss(epoch, index, {}).loss.item(); };
  const double first = loss(0, 0), other = loss(1, 0);
  EXPECT_NE(first, other);
  EXPECT_EQ(loss(0, 0), first);
  options.seed = 2;
  EXPECT_NE(loss(0, 0), first);
}

TEST(LabelObjectives, a_run_knows_other_examples_and_other_labels_again) {
  const TrainOptions options = options_of(1);
  const auto identity = [&](const LabelledExamples& train) {
    ClassificationModel model(tiny("classification", 2));
    return ClassificationObjective(model, train, {}, options).identity();
  };
  LabelledExamples other = texts(20, 1);
  EXPECT_EQ(identity(texts(20, 1)), identity(other));
  other.labels[3] = 1 - other.labels[3];
  EXPECT_NE(identity(texts(20, 1)), identity(other));
  EXPECT_NE(identity(texts(20, 1)), identity(texts(20, 2)));
}

}  // namespace
}  // namespace attune
