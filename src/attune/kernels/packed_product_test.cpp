#include "attune/kernels/packed_product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "attune/base/check.h"
#include "attune/base/parallel.h"
#include "attune/base/rng.h"
#include "attune/kernels/elementwise.h"

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

template <class T>
std::vector<T> as(const std::vector<float>& values) {
  if constexpr (std::is_same_v<T, float>) {
    return values;
  } else {
    std::vector<T> narrow(values.size());
    to_bfloat16(narrow, values);
    return narrow;
  }
}

// With the memory it lies in.
template <class T>
struct Packed {
  template <class From>
  explicit Packed(const Matrix<const From>& b)
      : bytes(static_cast<size_t>(
            PackedMatrix<T>::bytes(b.transposed ? b.columns : b.rows, b.transposed ? b.rows : b.columns))),
        memory(static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 64) / 64 * 64)), &std::free),
        matrix(b, memory.get()) {}
  size_t bytes;
  std::unique_ptr<std::byte, decltype(&std::free)> memory;
  PackedMatrix<T> matrix;
};

struct Sizes {
  int64_t m, n, k;
};

// B [k, n] as it lies, in its own rows or transposed.
template <class T>
Matrix<const T> second(const std::vector<T>& b, const Sizes& s, bool transposed) {
  return transposed ? Matrix<const T>{b.data(), s.n, s.k, s.k, true} : Matrix<const T>{b.data(), s.k, s.n, s.n};
}

template <class T>
std::vector<float> multiplied(const Sizes& s, const std::vector<T>& a, const PackedMatrix<T>& b) {
  std::vector<float> c(static_cast<size_t>(s.m * s.n), -1.0F);
  product({a.data(), s.m, s.k, s.k}, b, {c.data(), s.m, s.n, s.n}, nullptr, {});
  return c;
}

template <class T>
class PackedProduct : public testing::Test {};
using Types = testing::Types<float, BFloat16>;
TYPED_TEST_SUITE(PackedProduct, Types);

// 64 columns a panel, 6 rows a tile, 96 a block, 1024 of the sum a block: below, at and above each.
const std::vector<Sizes> all_sizes{{1, 1, 1},     {0, 5, 3},     {3, 0, 4},     {2, 5, 0},     {1, 64, 7},
                                   {5, 65, 16},   {6, 63, 33},   {7, 128, 20},  {13, 130, 64}, {32, 100, 200},
                                   {4, 70, 1024}, {9, 64, 1030}, {2, 10, 2500}, {97, 129, 40}, {200, 64, 64}};

TYPED_TEST(PackedProduct, equals_the_definition_in_double) {
  using T = TypeParam;
  for (const Sizes& s : all_sizes) {
    for (int form = 0; form < 6; ++form) {
      const bool transposed = form & 1, accumulate = form / 2 == 1, with_bias = form / 2 == 2;
      SCOPED_TRACE(testing::Message() << s.m << " x " << s.n << " x " << s.k << " form " << form);
      const auto a = as<T>(random_values(s.m * s.k, 1)), b = as<T>(random_values(s.n * s.k, 2));
      const auto bias = random_values(s.n, 3), before = random_values(s.m * s.n, 4);
      const Packed<T> packed(second(b, s, transposed));
      auto c = before;
      product({a.data(), s.m, s.k, s.k}, packed.matrix, {c.data(), s.m, s.n, s.n}, with_bias ? bias.data() : nullptr,
              {.accumulate = accumulate});
      for (int64_t i = 0; i < s.m; ++i) {
        for (int64_t j = 0; j < s.n; ++j) {
          const auto at = static_cast<size_t>(i * s.n + j);
          double sum = accumulate ? before[at] : with_bias ? bias[static_cast<size_t>(j)] : 0, size = std::abs(sum);
          for (int64_t k = 0; k < s.k; ++k) {
            const double term =
                static_cast<double>(static_cast<float>(a[static_cast<size_t>(i * s.k + k)])) *
                static_cast<double>(static_cast<float>(b[static_cast<size_t>(transposed ? j * s.k + k : k * s.n + j)]));
            sum += term;
            size += std::abs(term);
          }
          // Each of the k + 1 roundings is at most half a unit of what has been added up.
          ASSERT_NEAR(static_cast<double>(c[at]), sum, size * 0x1.0p-24 * static_cast<double>(s.k + 1))
              << i << ", " << j;
        }
      }
    }
  }
}

TYPED_TEST(PackedProduct, gives_a_row_the_same_bits_among_any_rows_and_with_any_threads) {
  using T = TypeParam;
  const std::vector<Sizes> all{{37, 200, 1100}, {600, 72, 256}, {40, 1000, 64}, {40, 64, 4096}};
  std::vector<std::vector<float>> expected;  // with one thread
  for (const int count : {1, 2, 5}) {
    set_threads(count);
    for (size_t i = 0; i < all.size(); ++i) {
      const Sizes& whole = all[i];
      const auto a = as<T>(random_values(whole.m * whole.k, 1)), b = as<T>(random_values(whole.n * whole.k, 2));
      const Packed<T> packed(second(b, whole, true));
      const auto found = multiplied(whole, a, packed.matrix);
      if (count == 1) expected.push_back(found);
      EXPECT_EQ(found, expected[i]);
      for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 11, 16, 33}) {
        for (const int64_t first : {int64_t{0}, whole.m - rows}) {
          std::vector<float> c(static_cast<size_t>(rows * whole.n));
          product({a.data() + first * whole.k, rows, whole.k, whole.k}, packed.matrix,
                  {c.data(), rows, whole.n, whole.n}, nullptr, {});
          EXPECT_TRUE(std::equal(c.begin(), c.end(), expected[i].begin() + first * whole.n))
              << rows << " from " << first;
        }
      }
    }
  }
  set_threads(0);
}

TYPED_TEST(PackedProduct, does_not_depend_on_how_b_lay) {
  using T = TypeParam;
  const Sizes s{5, 70, 12};
  const auto a = as<T>(random_values(s.m * s.k, 1)), b = as<T>(random_values(s.k * s.n, 2));
  std::vector<T> turned(b.size());
  for (int64_t k = 0; k < s.k; ++k) {
    for (int64_t j = 0; j < s.n; ++j) {
      turned[static_cast<size_t>(j * s.k + k)] = b[static_cast<size_t>(k * s.n + j)];
    }
  }
  const auto expected = multiplied(s, a, Packed<T>(second(b, s, false)).matrix);
  EXPECT_EQ(multiplied(s, a, Packed<T>(second(turned, s, true)).matrix), expected);
}

TEST(PackedProductOfFloats, does_not_depend_on_how_a_lay) {
  for (const int64_t m : {1, 7, 200}) {  // a tile's part, a tile and more, blocks of rows
    const Sizes s{m, 70, 1100};
    const auto a = random_values(s.m * s.k, 1), b = random_values(s.k * s.n, 2);
    std::vector<float> turned(a.size()), c(static_cast<size_t>(s.m * s.n));
    for (int64_t i = 0; i < s.m; ++i) {
      for (int64_t k = 0; k < s.k; ++k) turned[static_cast<size_t>(k * s.m + i)] = a[static_cast<size_t>(i * s.k + k)];
    }
    const Packed<float> packed(second(b, s, false));
    product({turned.data(), s.k, s.m, s.m, true}, packed.matrix, {c.data(), s.m, s.n, s.n}, nullptr, {});
    EXPECT_EQ(c, multiplied(s, a, packed.matrix)) << m;
  }
}

TYPED_TEST(PackedProduct, reads_and_writes_rows_that_lie_apart) {
  using T = TypeParam;
  const Sizes s{5, 70, 12};
  constexpr int64_t gap = 9;
  const auto b = as<T>(random_values(s.k * s.n, 2));
  const auto wide = as<T>(random_values(s.m * (s.k + gap), 1));
  std::vector<T> a;
  for (int64_t i = 0; i < s.m; ++i) {
    a.insert(a.end(), wide.begin() + i * (s.k + gap), wide.begin() + i * (s.k + gap) + s.k);
  }
  const Packed<T> packed(second(b, s, false));
  const auto expected = multiplied(s, a, packed.matrix);
  std::vector<float> c(static_cast<size_t>(s.m * (s.n + gap)), 7.0F);
  product({wide.data(), s.m, s.k, s.k + gap}, packed.matrix, {c.data(), s.m, s.n, s.n + gap}, nullptr, {});
  for (int64_t i = 0; i < s.m; ++i) {
    for (int64_t j = 0; j < s.n + gap; ++j) {
      const float expected_here = j < s.n ? expected[static_cast<size_t>(i * s.n + j)] : 7.0F;
      // oneDNN may sum bfloat16 rows at odd distances in another order.
      constexpr double difference = std::is_same_v<T, float> ? 0 : 1e-5;
      EXPECT_NEAR(c[static_cast<size_t>(i * (s.n + gap) + j)], expected_here, difference);
    }
  }
  const auto before = c;
  product({wide.data(), s.m, s.k, s.k + gap}, packed.matrix, {c.data(), s.m, s.n, s.n + gap}, nullptr,
          {.accumulate = true});
  for (int64_t i = 0; i < s.m; ++i) {
    for (int64_t j = 0; j < s.n + gap; ++j) {
      const auto at = static_cast<size_t>(i * (s.n + gap) + j);
      EXPECT_NEAR(c[at], before[at] + (j < s.n ? expected[static_cast<size_t>(i * s.n + j)] : 0.0F), 1e-5);
    }
  }
}

TEST(PackedWeight, rounds_a_float32_weight_as_bfloat16_does) {
  const Sizes s{3, 40, 50};
  const auto a = as<BFloat16>(random_values(s.m * s.k, 1));
  const auto wide = random_values(s.k * s.n, 2);
  const auto narrow = as<BFloat16>(wide);
  for (const bool transposed : {false, true}) {
    EXPECT_EQ(multiplied(s, a, Packed<BFloat16>(second(wide, s, transposed)).matrix),
              multiplied(s, a, Packed<BFloat16>(second(narrow, s, transposed)).matrix));
  }
}

TYPED_TEST(PackedProduct, carries_infinity_and_nan_as_far_as_their_row) {
  using T = TypeParam;
  const Sizes s{2, 3, 4};
  std::vector<float> a = random_values(s.m * s.k, 1);
  a[2] = std::nanf("");
  const auto b = as<T>(random_values(s.n * s.k, 2));
  const auto c = multiplied(s, as<T>(a), Packed<T>(second(b, s, true)).matrix);
  for (int64_t j = 0; j < s.n; ++j) {
    EXPECT_TRUE(std::isnan(c[static_cast<size_t>(j)]));
    EXPECT_TRUE(std::isfinite(c[static_cast<size_t>(s.n + j)]));
  }
}

TYPED_TEST(PackedProduct, refuses_sizes_that_do_not_fit) {
  using T = TypeParam;
  const std::vector<T> x(64);
  std::vector<float> c(64);
  const Packed<T> packed(Matrix<const T>{x.data(), 4, 8, 8});
  EXPECT_THROW(product({x.data(), 2, 5, 5}, packed.matrix, {c.data(), 2, 8, 8}, nullptr, {}), Error);
  EXPECT_THROW(product({x.data(), 2, 4, 4}, packed.matrix, {c.data(), 2, 7, 7}, nullptr, {}), Error);
  EXPECT_THROW(product({x.data(), 2, 4, 4}, packed.matrix, {c.data(), 2, 8, 8}, c.data(), {.accumulate = true}), Error);
}

}  // namespace
}  // namespace attune::kernels
