#include "attune/train/label_objectives.h"

#include <numeric>

#include "attune/base/check.h"
#include "attune/base/rng.h"
#include "attune/ops/binary_cross_entropy.h"
#include "attune/ops/cross_entropy.h"

namespace attune {

namespace {

PredictionOptions prediction_options(const TrainOptions& options) {
  return {options.batch_tokens, compute_type(options)};
}

}  // namespace

LabelLoss label_loss(const Tensor& logits, std::span<const int> gold, double label_smoothing) {
  if (logits.size(1) != 1) {
    CrossEntropyOptions options;
    options.label_smoothing = label_smoothing;
    const std::vector<int32_t> targets(gold.begin(), gold.end());
    const CrossEntropy result = cross_entropy(logits, targets, options);
    return {result.loss, result.nll};
  }
  std::vector<double> targets;
  double nll = 0;
  const std::vector<LogProbabilities> p = log_probabilities(logits);
  for (size_t i = 0; i < gold.size(); ++i) {
    targets.push_back((1 - label_smoothing) * gold[i] + label_smoothing / 2);
    nll -= p[i][static_cast<size_t>(gold[i])];
  }
  return {binary_cross_entropy_with_logits(logits, Tensor::of<double>(logits.shape(), targets).to(logits.dtype())),
          nll};
}

ValidationFigures validation_figures(const LabelScore& score) {
  return {score.nll,
          score.spans ? Score{.key = "f1", .title = "span F1", .decimals = 4, .value = score.spans->f1}
                      : Score{.key = "accuracy", .title = "accuracy", .decimals = 4, .value = score.labels.accuracy}};
}

// ---- Classification -------------------------------------------------------------------------------------------------

ClassificationObjective::ClassificationObjective(ClassificationModel& model, LabelledExamples train,
                                                 LabelledExamples valid, const TrainOptions& options,
                                                 std::function<Baseline()> baseline)
    : model_(model),
      data_(std::move(train.examples), without_targets(batch_options(options))),
      labels_(std::move(train.labels)),
      valid_(std::move(valid)),
      options_(options),
      baseline_(std::move(baseline)) {}

BatchLoss ClassificationObjective::loss(int64_t epoch, int index, const Pass& pass) {
  const Batch batch = data_.batch(epoch, index);
  std::vector<int> gold;
  for (const int example : batch.indices) {
    gold.push_back(labels_[static_cast<size_t>(example)]);
  }
  const LabelLoss result =
      label_loss(model_.logits({batch.source, batch.sources}, pass), gold, options_.label_smoothing);
  return {result.loss, result.nll, batch.count(), batch.source_tokens()};
}

LabelScore ClassificationObjective::score() const {
  return label_score(predictions(model_, valid_.examples, prediction_options(options_)), valid_.labels,
                     model_.config().labels);
}

std::map<std::string, std::string> ClassificationObjective::identity() const {
  Checksum checksum;
  for (const Example& example : data_.examples()) {
    checksum.add_list(example.source);
  }
  checksum.add_list(labels_);
  return identity_of("examples", std::ssize(labels_), checksum);
}

// ---- Tagging --------------------------------------------------------------------------------------------------------

TaggingObjective::TaggingObjective(TaggingModel& model, TaggedExamples train, TaggedExamples valid,
                                   const Labels& labels, const TrainOptions& options)
    : model_(model),
      train_(std::move(train)),
      valid_(std::move(valid)),
      labels_(labels),
      data_(std::move(train_.sentences.examples), without_targets(batch_options(options))),
      options_(options) {}

BatchLoss TaggingObjective::loss(int64_t epoch, int index, const Pass& pass) {
  const Batch batch = data_.batch(epoch, index);
  std::vector<int> gold;
  for (const int example : batch.indices) {
    const std::vector<int>& tags = train_.tags[static_cast<size_t>(example)];
    gold.insert(gold.end(), tags.begin(), tags.end());
  }
  const Tensor logits = model_.logits({batch.source, batch.sources}, first_rows(train_.sentences, batch), pass);
  const LabelLoss result = label_loss(logits, gold, options_.label_smoothing);
  return {result.loss, result.nll, static_cast<int64_t>(gold.size()), batch.source_tokens()};
}

LabelScore TaggingObjective::score() const {
  return tagging_score(predictions(model_, valid_.sentences, prediction_options(options_)), valid_.tags, labels_);
}

std::map<std::string, std::string> TaggingObjective::identity() const {
  Checksum checksum;
  for (size_t i = 0; i < train_.tags.size(); ++i) {
    checksum.add_list(data_.examples()[i].source);
    checksum.add_list(train_.sentences.first_pieces[i]);
    checksum.add_list(train_.tags[i]);
  }
  return identity_of("examples", std::ssize(train_.tags), checksum);
}

// ---- Images ---------------------------------------------------------------------------------------------------------

ImageObjective::ImageObjective(ImageModel& model, const ImageExamples& train, const ImageExamples& valid,
                               const TrainOptions& options)
    : model_(model), train_(train), valid_(valid), options_(options) {}

int ImageObjective::batches(int64_t) {
  const int together = images_in_a_batch(model_.config(), options_.batch_tokens);
  return (train_.images.count - 1) / together + 1;
}

std::span<const int> ImageObjective::batch(int64_t epoch, int index) {
  if (planned_ != epoch) {
    order_.resize(static_cast<size_t>(train_.images.count));
    std::iota(order_.begin(), order_.end(), 0);
    shuffle(std::span(order_), Rng(options_.seed).stream("batches").stream(static_cast<uint64_t>(epoch)));
    planned_ = epoch;
  }
  const auto together = static_cast<size_t>(images_in_a_batch(model_.config(), options_.batch_tokens));
  const size_t begin = together * static_cast<size_t>(index);
  return std::span(order_).subspan(begin, std::min(together, order_.size() - begin));
}

BatchLoss ImageObjective::loss(int64_t epoch, int index, const Pass& pass) {
  const std::span<const int> images = batch(epoch, index);
  PatchOptions cutting = patch_options(model_.config());
  cutting.shift = options_.shift;
  cutting.shifts = Rng(options_.seed).stream("shifts").stream(static_cast<uint64_t>(epoch));
  std::vector<int> gold;
  for (const int image : images) {
    gold.push_back(train_.labels[static_cast<size_t>(image)]);
  }
  const Tensor patches = patches_of(train_.images, images, cutting);
  const Tensor logits = model_.logits(patches, image_segments(model_.config(), images.size()), pass);
  const LabelLoss result = label_loss(logits, gold, options_.label_smoothing);
  return {result.loss, result.nll, static_cast<int64_t>(images.size()), patches.size(0)};
}

LabelScore ImageObjective::score() const {
  return label_score(predictions(model_, valid_.images, prediction_options(options_)), valid_.labels,
                     model_.config().labels);
}

std::map<std::string, std::string> ImageObjective::identity() const {
  Checksum checksum;
  checksum.add(train_.images.pixels.data(), train_.images.pixels.size());
  checksum.add_list(train_.labels);
  return identity_of("examples", std::ssize(train_.labels), checksum);
}

}  // namespace attune
