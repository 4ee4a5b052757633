// Images from idx files, as MNIST's are laid out: big-endian 0 0 8 rank, a 32-bit size for each axis, then bytes, the
// last axis first to change; [images, height, width] or [images, height, width, channels], labels [images]. Plain or
// gzip. Errors name file and byte offset (of what is inside, for gzip): another type or rank, sizes that cannot be, a
// file shorter or longer than its sizes say.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "attune/data/labels.h"

namespace attune {

struct Images {
  int count = 0, height = 0, width = 0, channels = 1;
  std::vector<uint8_t> pixels;  // [count, height, width, channels]

  size_t bytes_each() const {
    return static_cast<size_t>(height) * static_cast<size_t>(width) * static_cast<size_t>(channels);
  }
  std::span<const uint8_t> image(int i) const {
    return std::span(pixels).subspan(static_cast<size_t>(i) * bytes_each(), bytes_each());
  }
};

Images read_images(const std::string& path);

struct LabelledImages {
  Images images;
  std::vector<std::string> labels;  // as numbers: "7"
};
// Different numbers of images and labels are an error that names both.
LabelledImages read_labelled_images(const std::string& images_path, const std::string& labels_path);

// The number of each label; one that was not seen in training is an error that names the file and the image.
std::vector<int> label_ids(const LabelledImages& images, const Labels& labels, const std::string& path);

}  // namespace attune
