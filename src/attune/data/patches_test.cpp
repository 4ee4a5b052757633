#include "attune/data/patches.h"

#include <gtest/gtest.h>

#include <set>

#include "attune/base/error_of_test.h"
#include "attune/base/parallel.h"

namespace attune {
namespace {

using testing::error_of;
using Values = std::vector<float>;

Values values_of(const Tensor& x) {
  const auto span = x.data<float>();
  return {span.begin(), span.end()};
}

// Two images of 4 x 4: pixels 0 ... 15 and 16 ... 31.
Images counting(int channels = 1) {
  Images images{2, 4, 4, channels, {}};
  for (int i = 0; i < 32 * channels; ++i) {
    images.pixels.push_back(static_cast<uint8_t>(i));
  }
  return images;
}

TEST(Patches, an_image_is_cut_row_by_row) {
  const Tensor x = patches_of(counting(), std::vector{1, 0}, {.size = 2});
  EXPECT_EQ(x.shape(), (Shape{8, 4}));
  EXPECT_EQ(values_of(x), (Values{16, 17, 20, 21, 18, 19, 22, 23, 24, 25, 28, 29, 26, 27, 30, 31,  //
                                  0,  1,  4,  5,  2,  3,  6,  7,  8,  9,  12, 13, 10, 11, 14, 15}));
  EXPECT_EQ(patches_of(counting(), std::vector<int>{}, {.size = 2}).shape(), (Shape{0, 4}));
}

TEST(Patches, channels_of_a_pixel_stand_together) {
  const Tensor x = patches_of(counting(3), std::vector{0}, {.size = 2});
  EXPECT_EQ(x.shape(), (Shape{4, 12}));
  const Values all = values_of(x);
  EXPECT_EQ(Values(all.begin(), all.begin() + 12), (Values{0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17}));
}

TEST(Patches, pixels_are_normalised_by_what_the_training_images_gave) {
  const PixelStatistics pixels = pixel_statistics(counting());
  EXPECT_DOUBLE_EQ(pixels.mean, 15.5);
  EXPECT_DOUBLE_EQ(pixels.deviation, std::sqrt((32.0 * 32 - 1) / 12));  // of 0 ... 31
  const Values x = values_of(patches_of(counting(), std::vector{0}, {.size = 4, .pixels = {3, 2}}));
  EXPECT_FLOAT_EQ(x[0], -1.5F);
  EXPECT_FLOAT_EQ(x[5], 1);
  EXPECT_EQ(pixel_statistics({1, 1, 2, 1, {7, 7}}).deviation, 1);
}

TEST(Patches, a_shifted_image_is_the_image_moved_and_black_where_nothing_was) {
  const Images images{400, 3, 3, 1, [] {
                        std::vector<uint8_t> pixels(400 * 9);
                        for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i % 9 + 1);
                        return pixels;
                      }()};
  std::vector<int> all(400);
  for (int i = 0; i < 400; ++i) all[static_cast<size_t>(i)] = i;
  const PatchOptions options{.size = 3, .shift = 1, .shifts = Rng(3)};
  const Values x = values_of(patches_of(images, all, options));
  std::set<Values> seen;
  for (size_t i = 0; i < 400; ++i) {
    seen.insert(
        Values(x.begin() + static_cast<std::ptrdiff_t>(9 * i), x.begin() + static_cast<std::ptrdiff_t>(9 * i + 9)));
  }
  EXPECT_EQ(seen.size(), 9U);  // 3 x 3 shifts
  EXPECT_EQ(seen.count({1, 2, 3, 4, 5, 6, 7, 8, 9}), 1U);
  EXPECT_EQ(seen.count({0, 0, 0, 1, 2, 3, 4, 5, 6}), 1U);  // down
  EXPECT_EQ(seen.count({5, 6, 0, 8, 9, 0, 0, 0, 0}), 1U);  // up and left
  // A shift is the image's own, whatever it is batched with and however many threads cut.
  const Values alone = values_of(patches_of(images, std::vector{17}, options));
  EXPECT_EQ(alone, Values(x.begin() + 9 * 17, x.begin() + 9 * 18));
  const int before = threads();
  set_threads(2);
  EXPECT_EQ(values_of(patches_of(images, all, options)), x);
  set_threads(before);
}

TEST(Patches, a_patch_must_divide_the_image) {
  EXPECT_EQ(error_of([] { patches_of(counting(), std::vector{0}, {.size = 3}); }),
            "patch-size: expected a number that divides the images' height (4) and width (4), got 3");
  EXPECT_EQ(error_of([] { patches_of(counting(), std::vector{2}, {.size = 2}); }), "patches: image 2 of 2");
}

}  // namespace
}  // namespace attune
