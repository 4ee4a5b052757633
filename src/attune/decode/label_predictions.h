// What models of classification, tagging and image classification say: the logarithm of the probability of every label.
#pragma once

#include <span>
#include <vector>

#include "attune/data/images.h"
#include "attune/data/label_examples.h"
#include "attune/data/patches.h"
#include "attune/models/label_models.h"

namespace attune {

using LogProbabilities = std::vector<double>;  // natural, by label

// logits [rows, labels] -> softmax of each row; [rows, 1] -> 1 - sigmoid and sigmoid
std::vector<LogProbabilities> log_probabilities(const Tensor& logits);
int most_probable(const LogProbabilities& p);
std::vector<int> most_probable(std::span<const LogProbabilities> all);

struct PredictionOptions {
  int batch_tokens = 4096;
  DType compute = DType::float32;
};

// In the order of the examples; neither dropout nor a tape.
std::vector<LogProbabilities> predictions(const ClassificationModel& model, std::span<const Example> examples,
                                          const PredictionOptions& options = {});
// One for each word of each sentence.
std::vector<std::vector<LogProbabilities>> predictions(const TaggingModel& model, const WordExamples& sentences,
                                                       const PredictionOptions& options = {});
// Throws when the images are of another size than the model's.
std::vector<LogProbabilities> predictions(const ImageModel& model, const Images& images,
                                          const PredictionOptions& options = {});

// What a classifier of texts wants of its examples.
TextOptions text_options(const ModelConfig& config);
// The rows of a packed batch at which its words begin, word by word.
std::vector<int32_t> first_rows(const WordExamples& sentences, const Batch& batch);
// Throws when the images are of another size than the model's.
void check_images(const Images& images, const ModelConfig& config);
// How an image model cuts what it reads.
PatchOptions patch_options(const ModelConfig& config);
int images_in_a_batch(const ModelConfig& config, int batch_tokens);
Segments image_segments(const ModelConfig& config, size_t images);

}  // namespace attune
