#include "attune/decode/label_predictions.h"

#include <algorithm>
#include <cmath>

#include "attune/autograd/tape.h"
#include "attune/base/check.h"
#include "attune/ops/softmax.h"

namespace attune {

namespace {

Pass pass_of(const PredictionOptions& options) {
  Pass pass;
  pass.compute = options.compute;
  return pass;
}

BatchOptions batches_of(const PredictionOptions& options) {
  BatchOptions result;
  result.batch_tokens = options.batch_tokens;
  return without_targets(result);
}

// log(1 + exp(x)) without overflow
double softplus(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
}

}  // namespace

std::vector<LogProbabilities> log_probabilities(const Tensor& logits) {
  const int64_t rows = logits.size(0);
  std::vector<LogProbabilities> result;
  if (logits.size(1) == 1) {
    for (int64_t i = 0; i < rows; ++i) {
      const double x = logits.at(i);
      result.push_back({-softplus(x), -softplus(-x)});
    }
    return result;
  }
  const Tensor logs = log_softmax(logits.to(DType::float64));
  for (int64_t i = 0; i < rows; ++i) {
    const auto row = logs.rows_view(i, 1).data<double>();
    result.emplace_back(row.begin(), row.end());
  }
  return result;
}

int most_probable(const LogProbabilities& p) {
  return static_cast<int>(std::max_element(p.begin(), p.end()) - p.begin());
}

std::vector<int> most_probable(std::span<const LogProbabilities> all) {
  std::vector<int> labels;
  for (const LogProbabilities& p : all) {
    labels.push_back(most_probable(p));
  }
  return labels;
}

std::vector<LogProbabilities> predictions(const ClassificationModel& model, std::span<const Example> examples,
                                          const PredictionOptions& options) {
  const NoTape pause;
  std::vector<LogProbabilities> result(examples.size());
  for (const std::vector<int>& indices : batches_by_length(examples, batches_of(options))) {
    const Batch batch = make_batch(examples, indices);
    auto rows = log_probabilities(model.logits({batch.source, batch.sources}, pass_of(options)));
    for (size_t i = 0; i < indices.size(); ++i) {
      result[static_cast<size_t>(indices[i])] = std::move(rows[i]);
    }
  }
  return result;
}

std::vector<std::vector<LogProbabilities>> predictions(const TaggingModel& model, const WordExamples& sentences,
                                                       const PredictionOptions& options) {
  const NoTape pause;
  std::vector<std::vector<LogProbabilities>> result(sentences.examples.size());
  for (const std::vector<int>& indices : batches_by_length(sentences.examples, batches_of(options))) {
    const Batch batch = make_batch(sentences.examples, indices);
    const std::vector<int32_t> rows = first_rows(sentences, batch);
    auto words = log_probabilities(model.logits({batch.source, batch.sources}, rows, pass_of(options)));
    size_t next = 0;
    for (const int index : indices) {
      for (size_t i = 0; i < sentences.first_pieces[static_cast<size_t>(index)].size(); ++i) {
        result[static_cast<size_t>(index)].push_back(std::move(words[next++]));
      }
    }
  }
  return result;
}

std::vector<LogProbabilities> predictions(const ImageModel& model, const Images& images,
                                          const PredictionOptions& options) {
  const NoTape pause;
  const ModelConfig& config = model.config();
  check_images(images, config);
  std::vector<LogProbabilities> result;
  const int together = images_in_a_batch(config, options.batch_tokens);
  for (int begin = 0; begin < images.count; begin += together) {
    std::vector<int> indices;
    for (int i = begin; i < std::min(images.count, begin + together); ++i) {
      indices.push_back(i);
    }
    const Tensor patches = patches_of(images, indices, patch_options(config));
    for (LogProbabilities& p :
         log_probabilities(model.logits(patches, image_segments(config, indices.size()), pass_of(options)))) {
      result.push_back(std::move(p));
    }
  }
  return result;
}

void check_images(const Images& images, const ModelConfig& config) {
  const ImageShape shape = image_shape(config);
  check(images.height == shape.height && images.width == shape.width && images.channels == shape.channels,
        "the images are of ", images.height, "x", images.width, " pixels and ", images.channels,
        images.channels == 1 ? " channel" : " channels", ", the model was trained on ", shape.height, "x", shape.width,
        " and ", shape.channels);
}

TextOptions text_options(const ModelConfig& config) {
  return {.first_token = pooling_of_name(config.pooling) == Pooling::first};
}

std::vector<int32_t> first_rows(const WordExamples& sentences, const Batch& batch) {
  std::vector<int32_t> rows;
  for (int i = 0; i < batch.count(); ++i) {
    const auto begin = static_cast<int32_t>(batch.sources.begin(i));
    for (const int32_t piece : sentences.first_pieces[static_cast<size_t>(batch.indices[static_cast<size_t>(i)])]) {
      rows.push_back(begin + piece);
    }
  }
  return rows;
}

PatchOptions patch_options(const ModelConfig& config) {
  return {.size = config.patch_size, .pixels = {config.pixel_mean, config.pixel_deviation}};
}

int images_in_a_batch(const ModelConfig& config, int batch_tokens) {
  return std::max(1, batch_tokens / image_shape(config).patches());
}

Segments image_segments(const ModelConfig& config, size_t images) {
  return Segments::of_lengths(std::vector<int>(images, image_shape(config).patches()));
}

}  // namespace attune
