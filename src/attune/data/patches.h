// Images as sequences of tokens (Dosovitskiy et al. 2021): an image is cut into square patches, row by row, and each
// patch's pixels [row, column, channel] are one row of input, (pixel - mean) / deviation. An image may be shifted by a
// few pixels to each side first; what comes in from outside is black.
#pragma once

#include <optional>
#include <span>

#include "attune/base/rng.h"
#include "attune/data/images.h"
#include "attune/tensor/tensor.h"

namespace attune {

struct PixelStatistics {
  double mean = 0, deviation = 1;  // of bytes 0 ... 255; the deviation is 1 where all pixels are alike
};
PixelStatistics pixel_statistics(const Images& images);

struct PatchOptions {
  int size = 4;  // must divide height and width
  PixelStatistics pixels = {};
  int shift = 0;                   // at most so many pixels up or down, and left or right
  std::optional<Rng> shifts = {};  // keyed by (seed, epoch); not given: none is shifted
};

// Throws a UsageError unless the patch divides the image.
void check_patches(int height, int width, int patch_size);

// The chosen images, one behind the other: [indices * patches, size * size * channels], float32.
Tensor patches_of(const Images& images, std::span<const int> indices, const PatchOptions& options);

}  // namespace attune
