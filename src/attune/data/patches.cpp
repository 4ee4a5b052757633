#include "attune/data/patches.h"

#include <cmath>

#include "attune/base/check.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"

namespace attune {
namespace {

struct Shift {
  int down = 0, right = 0;
};

Shift shift_of(const PatchOptions& options, int index) {
  if (!options.shifts || options.shift == 0) {
    return {};
  }
  const Rng rng = options.shifts->stream(static_cast<uint64_t>(index));
  const auto choices = static_cast<uint64_t>(2 * options.shift + 1);
  return {static_cast<int>(rng.below(0, choices)) - options.shift,
          static_cast<int>(rng.below(1, choices)) - options.shift};
}

// One image's patches into `out`, [patches, size * size * channels].
void cut(const Images& images, int index, const PatchOptions& options, std::span<float> out) {
  const std::span<const uint8_t> image = images.image(index);
  const Shift shift = shift_of(options, index);
  const auto scale = static_cast<float>(1 / options.pixels.deviation);
  const auto mean = static_cast<float>(options.pixels.mean);
  size_t next = 0;
  for (int top = 0; top < images.height; top += options.size) {
    for (int left = 0; left < images.width; left += options.size) {
      for (int row = top - shift.down; row < top - shift.down + options.size; ++row) {
        for (int column = left - shift.right; column < left - shift.right + options.size; ++column) {
          const bool inside = row >= 0 && row < images.height && column >= 0 && column < images.width;
          const size_t at = inside ? static_cast<size_t>((row * images.width + column) * images.channels) : 0;
          for (size_t channel = 0; channel < static_cast<size_t>(images.channels); ++channel) {
            const float pixel = inside ? static_cast<float>(image[at + channel]) : 0.0F;
            out[next++] = (pixel - mean) * scale;
          }
        }
      }
    }
  }
}

}  // namespace

PixelStatistics pixel_statistics(const Images& images) {
  check(!images.pixels.empty(), "pixel statistics: no images");
  int64_t sum = 0, squares = 0;  // exact, whatever the order
  for (const uint8_t pixel : images.pixels) {
    sum += pixel;
    squares += int64_t{pixel} * pixel;
  }
  const auto count = static_cast<double>(images.pixels.size());
  PixelStatistics result;
  result.mean = static_cast<double>(sum) / count;
  const double variance = static_cast<double>(squares) / count - result.mean * result.mean;
  result.deviation = variance > 1e-9 ? std::sqrt(variance) : 1;
  return result;
}

void check_patches(int height, int width, int patch_size) {
  check_usage(patch_size >= 1 && height % patch_size == 0 && width % patch_size == 0, "patch-size: expected a number ",
              "that divides the images' height (", height, ") and width (", width, "), got ", patch_size);
}

Tensor patches_of(const Images& images, std::span<const int> indices, const PatchOptions& options) {
  const ProfileScope scope("make_batch");
  check_patches(images.height, images.width, options.size);
  for (const int index : indices) {
    check(index >= 0 && index < images.count, "patches: image ", index, " of ", images.count);
  }
  const int64_t row = int64_t{options.size} * options.size * images.channels;
  const auto each = static_cast<int64_t>(images.bytes_each());
  Tensor result = Tensor::empty({static_cast<int64_t>(indices.size()) * each / row, row}, DType::float32);
  const std::span<float> out = result.data<float>();
  parallel_for(static_cast<int64_t>(indices.size()), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      cut(images, indices[static_cast<size_t>(i)], options,
          out.subspan(static_cast<size_t>(i * each), static_cast<size_t>(each)));
    }
  });
  return result;
}

}  // namespace attune
