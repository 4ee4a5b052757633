#include "attune/kernels/packed_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "attune/base/parallel.h"
#include "attune/base/rng.h"

namespace attune::kernels {
namespace {

std::vector<float> random_values(int64_t count, uint64_t seed) {
  const Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(rng.normal(i));
  }
  return values;
}

struct Sizes {
  int64_t rows, out, in;
};

std::vector<float> packed(const Sizes& s, const std::vector<float>& x, const PackedWeight& weight, const float* bias) {
  std::vector<float> y(static_cast<size_t>(s.rows * s.out), -1.0F);
  product({x.data(), s.rows, s.in}, weight, bias, y.data());
  return y;
}

// 64 outputs a panel, 6 rows a tile, 1024 of the sum a block: below, at and above each.
const std::vector<Sizes> all_sizes{{1, 1, 1},     {0, 5, 3},     {3, 0, 4},    {2, 5, 0},     {1, 64, 7},
                                   {5, 65, 16},   {6, 63, 33},   {7, 128, 20}, {13, 130, 64}, {32, 100, 200},
                                   {4, 70, 1024}, {9, 64, 1030}, {2, 10, 2500}};

TEST(PackedProduct, equals_the_definition_in_double) {
  for (const Sizes& s : all_sizes) {
    SCOPED_TRACE(testing::Message() << s.rows << " x " << s.out << " x " << s.in);
    const auto x = random_values(s.rows * s.in, 1), w = random_values(s.out * s.in, 2), b = random_values(s.out, 3);
    const PackedWeight weight(w.data(), s.out, s.in, s.in);
    for (const float* bias : {b.data(), static_cast<const float*>(nullptr)}) {
      const auto y = packed(s, x, weight, bias);
      for (int64_t i = 0; i < s.rows; ++i) {
        for (int64_t j = 0; j < s.out; ++j) {
          double sum = bias == nullptr ? 0 : static_cast<double>(bias[j]), size = std::abs(sum);
          for (int64_t k = 0; k < s.in; ++k) {
            const double term = static_cast<double>(x[static_cast<size_t>(i * s.in + k)]) *
                                static_cast<double>(w[static_cast<size_t>(j * s.in + k)]);
            sum += term;
            size += std::abs(term);
          }
          // Each of the in + 1 roundings is at most half a unit of what has been added up.
          ASSERT_NEAR(static_cast<double>(y[static_cast<size_t>(i * s.out + j)]), sum,
                      size * 0x1.0p-24 * static_cast<double>(s.in + 1))
              << i << ", " << j;
        }
      }
    }
  }
}

TEST(PackedProduct, gives_a_row_the_same_bits_among_any_rows_and_with_any_threads) {
  const Sizes whole{37, 200, 1100};
  const auto x = random_values(whole.rows * whole.in, 1), w = random_values(whole.out * whole.in, 2);
  const PackedWeight weight(w.data(), whole.out, whole.in, whole.in);
  set_threads(1);
  const auto expected = packed(whole, x, weight, nullptr);
  for (const int count : {1, 2, 5}) {
    set_threads(count);
    EXPECT_EQ(packed(whole, x, weight, nullptr), expected);
    for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 11}) {
      for (const int64_t first : {int64_t{0}, whole.rows - rows}) {
        std::vector<float> y(static_cast<size_t>(rows * whole.out));
        product({x.data() + first * whole.in, rows, whole.in}, weight, nullptr, y.data());
        EXPECT_TRUE(std::equal(y.begin(), y.end(), expected.begin() + first * whole.out)) << rows << " from " << first;
      }
    }
  }
  set_threads(0);
}

TEST(PackedProduct, reads_strided_rows_and_weights) {
  const int64_t out = 70, in = 12, stride = 20;
  const auto x = random_values(5 * stride, 1), w = random_values(out * stride, 2);
  std::vector<float> x_dense, w_dense;
  for (int64_t i = 0; i < 5; ++i)
    x_dense.insert(x_dense.end(), &x[static_cast<size_t>(i * stride)], &x[static_cast<size_t>(i * stride)] + in);
  for (int64_t j = 0; j < out; ++j)
    w_dense.insert(w_dense.end(), &w[static_cast<size_t>(j * stride)], &w[static_cast<size_t>(j * stride)] + in);
  std::vector<float> y(static_cast<size_t>(5 * out));
  product({x.data(), 5, stride}, PackedWeight(w.data(), out, in, stride), nullptr, y.data());
  EXPECT_EQ(y, packed({5, out, in}, x_dense, PackedWeight(w_dense.data(), out, in, in), nullptr));
}

TEST(PackedProduct, carries_infinity_and_nan_as_far_as_their_row) {
  const int64_t out = 3, in = 4;
  std::vector<float> x = random_values(2 * in, 1);
  const auto w = random_values(out * in, 2);
  x[2] = std::nanf("");
  std::vector<float> y(static_cast<size_t>(2 * out));
  product({x.data(), 2, in}, PackedWeight(w.data(), out, in, in), nullptr, y.data());
  for (int64_t j = 0; j < out; ++j) {
    EXPECT_TRUE(std::isnan(y[static_cast<size_t>(j)]));
    EXPECT_TRUE(std::isfinite(y[static_cast<size_t>(out + j)]));
  }
}

}  // namespace
}  // namespace attune::kernels
