#include <gtest/gtest.h>
#include <malloc.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "attune/base/check.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/base/rng.h"
#include "attune/kernels/elementwise.h"
#include "attune/kernels/product.h"

namespace attune::kernels {
namespace {

std::vector<float> normals(size_t count, uint64_t seed) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = static_cast<float>(Rng(seed).normal(i));
  return values;
}

std::vector<BFloat16> rounded(const std::vector<float>& values) {
  std::vector<BFloat16> narrow(values.size());
  to_bfloat16(narrow, values);
  return narrow;
}

struct Sizes {
  int64_t m, n, k;
};

TEST(Product, equals_the_float64_loop_for_all_transposes_and_odd_sizes) {
  for (const auto& [m, n, k] :
       {Sizes{1, 1, 1}, {3, 5, 7}, {17, 33, 40}, {600, 24, 65}, {16, 16, 1500}, {0, 4, 4}, {4, 4, 0}}) {
    for (int form = 0; form < 16; ++form) {
      const bool ta = form & 1, tb = form & 2, accumulate = form & 4, with_bias = (form & 8) && !accumulate;
      const auto a = normals(static_cast<size_t>(m * k), 1), b = normals(static_cast<size_t>(n * k), 2),
                 bias = normals(static_cast<size_t>(n), 3);
      auto c = normals(static_cast<size_t>(m * n), 4);
      const std::vector<double> wide_a(a.begin(), a.end()), wide_b(b.begin(), b.end()),
          wide_bias(bias.begin(), bias.end());
      std::vector<double> wide_c(c.begin(), c.end());
      const auto matrix = [](auto* data, int64_t rows, int64_t columns, bool transposed) {
        using T = std::remove_pointer_t<decltype(data)>;
        return transposed ? Matrix<T>{data, columns, rows, rows, true} : Matrix<T>{data, rows, columns, columns, false};
      };
      product(matrix(a.data(), m, k, ta), matrix(b.data(), k, n, tb), {c.data(), m, n, n},
              with_bias ? bias.data() : nullptr, {.accumulate = accumulate});
      product(matrix(wide_a.data(), m, k, ta), matrix(wide_b.data(), k, n, tb), {wide_c.data(), m, n, n},
              with_bias ? wide_bias.data() : nullptr, {.accumulate = accumulate});
      for (size_t i = 0; i < c.size(); ++i) {
        ASSERT_NEAR(c[i], wide_c[i], 1e-6 * (10 + std::sqrt(static_cast<double>(k)) * 10))
            << m << ' ' << n << ' ' << k << ' ' << form;
      }
    }
  }
}

TEST(Product, bfloat16_operands_are_summed_in_float32) {
  const auto a = rounded(normals(64 * 128, 1)), b = rounded(normals(32 * 128, 2));
  std::vector<float> c(64 * 32);
  product(Matrix<const BFloat16>{a.data(), 64, 128, 128}, Matrix<const BFloat16>{b.data(), 32, 128, 128, true},
          {c.data(), 64, 32, 32}, nullptr, {});
  for (int i = 0; i < 64; ++i) {
    for (int j = 0; j < 32; ++j) {
      double sum = 0;
      for (int p = 0; p < 128; ++p) {
        sum += static_cast<double>(static_cast<float>(a[i * 128 + p])) * static_cast<float>(b[j * 128 + p]);
      }
      ASSERT_NEAR(c[i * 32 + j], sum, 1e-4);
    }
  }
}

TEST(Product, counts_its_operations_and_the_bytes_of_its_matrices) {
  constexpr int64_t m = 600, n = 24, k = 65;
  const auto a = normals(m * k, 1), b = normals(n * k, 2);
  const auto narrow_a = rounded(a), narrow_b = rounded(b);
  const std::vector<double> wide_a(a.begin(), a.end()), wide_b(b.begin(), b.end());
  std::vector<float> c(m * n);
  std::vector<double> wide_c(m * n);
  const auto counted = [](const auto& call) {
    Profile profile;
    call();
    const ProfileNode total = profile.stop().total;
    EXPECT_EQ(total.children.size(), 1U);
    EXPECT_EQ(total.children.at(0).name, "product");
    EXPECT_EQ(total.children.at(0).calls, 1);
    EXPECT_EQ(total.flops, 2.0 * m * n * k);
    return total.bytes;
  };
  EXPECT_EQ(counted([&] {
              product(Matrix<const float>{a.data(), m, k, k}, {b.data(), k, n, n}, {c.data(), m, n, n}, nullptr, {});
            }),
            4 * (m * k + k * n + m * n));
  EXPECT_EQ(counted([&] {  // A as it lies is [k, m], and C is read as well
              product(Matrix<const float>{a.data(), k, m, m, true}, {b.data(), n, k, k, true}, {c.data(), m, n, n},
                      nullptr, {.accumulate = true});
            }),
            4 * (m * k + k * n + 2 * m * n));
  EXPECT_EQ(counted([&] {
              product(Matrix<const BFloat16>{narrow_a.data(), m, k, k}, {narrow_b.data(), k, n, n}, {c.data(), m, n, n},
                      nullptr, {});
            }),
            2 * (m * k + k * n) + 4 * m * n);
  EXPECT_EQ(counted([&] {
              product(Matrix<const double>{wide_a.data(), m, k, k}, {wide_b.data(), k, n, n}, {wide_c.data(), m, n, n},
                      nullptr, {});
            }),
            8 * (m * k + k * n + m * n));
}

TEST(Product, a_bias_together_with_accumulate_is_refused) {
  const std::vector<float> x(4, 1);
  std::vector<float> c(4);
  EXPECT_THROW(product(Matrix<const float>{x.data(), 2, 2, 2}, Matrix<const float>{x.data(), 2, 2, 2},
                       {c.data(), 2, 2, 2}, x.data(), {.accumulate = true}),
               Error);
}

constexpr int thread_counts[] = {1, 2, 3, 5};

// A row's bits must not depend on how many rows there are, nor on threads.
template <class T>
void expect_equal_rows(const std::vector<T>& a, const std::vector<T>& b, const Sizes& sizes) {
  const auto& [m, n, k] = sizes;
  std::vector<float> whole(static_cast<size_t>(m * n)), part(whole.size());
  set_threads(2);
  product(Matrix<const T>{a.data(), m, k, k}, Matrix<const T>{b.data(), n, k, k, true}, {whole.data(), m, n, n},
          nullptr, {});
  for (int count : thread_counts) {
    set_threads(count);
    for (int64_t rows : {1, 2, 5, 15, 16, 17, 31, 64, 100, 128}) {
      product(Matrix<const T>{a.data(), rows, k, k}, Matrix<const T>{b.data(), n, k, k, true},
              {part.data(), rows, n, n}, nullptr, {});
      EXPECT_EQ(std::memcmp(part.data(), whole.data(), static_cast<size_t>(rows * n) * 4), 0)
          << rows << " rows, n " << n << ", k " << k << ", threads " << count << ' ' << name_of(dtype_of<T>());
    }
  }
  set_threads(0);
}

TEST(Product, a_row_has_the_same_bits_whatever_the_other_rows_and_the_threads) {
  for (const Sizes& sizes :
       {Sizes{530, 256, 256}, {530, 64, 1024}, {530, 24, 64}, {130, 2000, 256}, {130, 512, 2048}}) {
    const auto a = normals(static_cast<size_t>(sizes.m * sizes.k), 1),
               b = normals(static_cast<size_t>(sizes.n * sizes.k), 2);
    expect_equal_rows(a, b, sizes);
    expect_equal_rows(rounded(a), rounded(b), sizes);
  }
}

template <class T>
void expect_equal_weight_gradients(const std::vector<T>& a, const std::vector<T>& b, const Sizes& sizes) {
  const auto& [m, n, k] = sizes;
  std::vector<float> first(static_cast<size_t>(m * n)), other(first.size());
  for (int count : thread_counts) {
    std::vector<float>& c = count == 1 ? first : other;
    set_threads(count);
    product(Matrix<const T>{a.data(), k, m, m, true}, Matrix<const T>{b.data(), k, n, n}, {c.data(), m, n, n}, nullptr,
            {});
    EXPECT_EQ(std::memcmp(c.data(), first.data(), first.size() * 4), 0)
        << m << ' ' << n << ' ' << k << ", threads " << count;
  }
  set_threads(0);
}

TEST(Product, weight_gradients_have_the_same_bits_for_any_number_of_threads) {
  for (const Sizes& sizes :
       {Sizes{256, 256, 1400}, {1024, 256, 1391}, {64, 64, 5000}, {16, 40, 9000}, {256, 1024, 4096}, {32, 2000, 512}}) {
    const auto a = normals(static_cast<size_t>(sizes.m * sizes.k), 1),
               b = normals(static_cast<size_t>(sizes.n * sizes.k), 2);
    expect_equal_weight_gradients(a, b, sizes);
    expect_equal_weight_gradients(rounded(a), rounded(b), sizes);
  }
}

// Each size has its own primitive; were each to hold its own scratch memory, as oneDNN's default is, this would be 75
// MB.
TEST(Product, of_many_sizes_share_their_scratch_memory) {
  constexpr int64_t in = 256, out = 1024, most = 1024;
  const std::vector<float> dy(most * out), x(most * in);
  std::vector<float> dw(in * out);
  const auto allocated = [] {
    const auto use = mallinfo2();
    return static_cast<double>(use.uordblks + use.hblkhd);
  };
  const double before = allocated();
  for (int64_t rows = 16; rows <= most; rows += 16) {
    product({dy.data(), rows, out, out, true}, {x.data(), rows, in, in}, {dw.data(), out, in, in}, nullptr, {});
  }
  EXPECT_LT(allocated() - before, 25e6);
}

TEST(Elementwise, bfloat16_conversion_rounds_to_nearest_even_and_keeps_nan) {
  std::vector<float> x{1.0f, 1.00390625f, 1.01171875f, -0.0f, INFINITY, NAN, 3.3895314e38f};
  for (int i = 0; i < 100; ++i) x.push_back(static_cast<float>(Rng(1).normal(i)));
  std::vector<BFloat16> y(x.size());
  to_bfloat16(y, x);
  for (size_t i = 0; i < x.size(); ++i) {
    const float back = static_cast<float>(y[i]);
    if (std::isnan(x[i])) {
      EXPECT_TRUE(std::isnan(back));
    } else if (std::isinf(x[i])) {
      EXPECT_EQ(back, x[i]);
    } else {
      EXPECT_EQ(y[i].bits, BFloat16(x[i]).bits);
      EXPECT_LE(std::fabs(back - x[i]), std::fabs(x[i]) / 256);
    }
  }
  std::vector<float> back(x.size());
  from_bfloat16(back, y);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_TRUE(back[i] == static_cast<float>(y[i]) || (std::isnan(back[i]) && std::isnan(x[i]))) << i;
  }
  EXPECT_EQ(static_cast<float>(y[1]), 1.0f);  // a tie goes to the even mantissa
  EXPECT_EQ(static_cast<float>(y[2]), 1.015625f);
}

TEST(Elementwise, sum_of_squares_has_the_same_bits_for_any_thread_count) {
  const auto x = normals(300001, 7);
  set_threads(1);
  const double one = sum_of_squares<float>(x);
  set_threads(2);
  EXPECT_EQ(one, sum_of_squares<float>(x));
  set_threads(0);
  double plain = 0;
  for (float v : x) plain += static_cast<double>(v) * v;
  EXPECT_NEAR(one, plain, 1e-6 * plain);
}

TEST(Elementwise, scale_add_has_the_same_bits_for_any_thread_count) {
  const auto x = normals(100003, 8), start = normals(100003, 9);
  std::vector<float> one = start, two = start;
  set_threads(1);
  scale_add<float>(one, 0.3f, x, 0.7f);
  set_threads(2);
  scale_add<float>(two, 0.3f, x, 0.7f);
  set_threads(0);
  EXPECT_EQ(one, two);
  EXPECT_NEAR(one[100002], 0.3f * x[100002] + 0.7f * start[100002], 1e-6);
}

}  // namespace
}  // namespace attune::kernels
