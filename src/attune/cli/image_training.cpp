// Classification of images as train reads it: an idx file of images and one of labels.
#include "attune/base/check.h"
#include "attune/base/checksum.h"
#include "attune/cli/console.h"
#include "attune/cli/corpus_files.h"
#include "attune/cli/label_training.h"
#include "attune/data/images.h"
#include "attune/train/label_objectives.h"

namespace attune::cli {

namespace {

LabelledImages read(const std::vector<std::string>& files) {
  return files.empty() ? LabelledImages{} : read_labelled_images(files[0], files[1]);
}

class ImageTraining : public LabelTraining<ImageModel, ImageObjective> {
 public:
  explicit ImageTraining(const TrainingRun& run) : LabelTraining(run) {
    if (!holds_a_run(run.directory)) {
      check_free_for_a_run(run.directory);
    }
    LabelledImages train = read(run.train), valid = read(run.valid);
    labels_ = Labels::of(train.labels);
    train_.labels = label_ids(train, labels_, run.train[1]);
    valid_.labels = run.valid.empty() ? std::vector<int>{} : label_ids(valid, labels_, run.valid[1]);
    train_.images = std::move(train.images);
    valid_.images = std::move(valid.images);
    const ModelConfig config = sized(run.config);
    check_valid_images(run);
    model_.emplace(config);
    objective_.emplace(*model_, train_, valid_, run.options);
  }

  void say_what_was_read() const override {
    const Images& images = train_.images;
    note("training data: {} images of {}x{} pixels from {}", with_separators(images.count), images.height, images.width,
         listed(run_.train));
    if (!run_.valid.empty()) {
      note("validation data: {} images from {}", with_separators(valid_.images.count), listed(run_.valid));
    }
  }
  std::map<std::string, std::string> identity() const override {
    Checksum checksum;
    checksum.add(valid_.images.pixels.data(), valid_.images.pixels.size());
    checksum.add(valid_.labels.data(), valid_.labels.size() * sizeof(int));
    return {{"valid (images and labels)", fmt::format("{:08x}", checksum.value())}};
  }

 private:
  // What the images say of the model; a config that says otherwise is for other images.
  ModelConfig sized(ModelConfig config) const {
    const Images& images = train_.images;
    const std::string size = image_size_text(images.height, images.width);
    if (!config.image_size.empty()) {
      const ImageShape shape = image_shape(config);
      check_usage(shape.height == images.height && shape.width == images.width,
                  "image-size: the training images are of ", size, " pixels, the config says ", config.image_size);
    }
    check_usage(config.image_channels == 0 || config.image_channels == images.channels, "image-channels: the training ",
                "images have ", images.channels, ", the config says ", config.image_channels);
    config.image_size = size;
    config.image_channels = images.channels;
    const PixelStatistics pixels = pixel_statistics(images);
    config.pixel_mean = pixels.mean;
    config.pixel_deviation = pixels.deviation;
    set_labels(config, labels_);
    check_config(config);
    return config;
  }
  void check_valid_images(const TrainingRun& run) const {
    const Images &a = train_.images, &b = valid_.images;
    check(run.valid.empty() || (a.height == b.height && a.width == b.width && a.channels == b.channels),
          run.valid.empty() ? "" : run.valid.front(), ": its images are of ", b.height, "x", b.width, " pixels and ",
          b.channels, " channels, those of ", run.train.front(), " of ", a.height, "x", a.width, " and ", a.channels);
  }

  ImageExamples train_, valid_;
};

}  // namespace

void check_image_classification_run(const TrainingRun& run) {
  check_usage(!run.train.empty(), "--train is missing: two idx files, images and labels");
  for (const auto& [key, files] : {std::pair{"--train", &run.train}, std::pair{"--valid", &run.valid}}) {
    check_usage(files->empty() || files->size() == 2, key, ": expected two idx files, images and labels, got ",
                files->size(), files->size() == 1 ? " file: " : " files: ", listed(*files));
  }
}

std::unique_ptr<PreparedTraining> prepare_image_classification(const TrainingRun& run) {
  return std::make_unique<ImageTraining>(run);
}

}  // namespace attune::cli
