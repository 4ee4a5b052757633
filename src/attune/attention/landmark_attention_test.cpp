// Linformer and Nystrom attention: keys and values reduced to fewer.
#include <gtest/gtest.h>

#include "attune/attention/landmarks.h"
#include "attune/attention/linformer.h"
#include "attune/attention/nystrom.h"
#include "attune/ops/op_checks.h"

namespace attune::attention {
namespace {

using testing::check_op;
using testing::error_of;
using testing::relative_difference;
using testing::same_bits;

Tensor draw(const Shape& shape, int stream, DType dtype = DType::float64) {
  return random_tensor(shape, Rng(6).stream(static_cast<uint64_t>(stream)), dtype);
}

std::vector<Tensor> draw_inputs(int64_t rows, int64_t heads, int64_t depth, int64_t values,
                                DType dtype = DType::float64) {
  return {draw({rows, heads, depth}, 0, dtype), draw({rows, heads, depth}, 1, dtype),
          draw({rows, heads, values}, 2, dtype)};
}

Segments of(std::vector<int> lengths) {
  return Segments::of_lengths(lengths);
}

// [heads, n, n]
Tensor identities(int64_t heads, int64_t n, DType dtype) {
  Tensor result = Tensor::zeros({heads, n, n}, DType::float64);
  for (int64_t i = 0; i < heads * n; ++i) result.data<double>()[static_cast<size_t>(i * n + i % n)] = 1;
  return result.to(dtype);
}

TEST(Linformer, definition_and_kernel_have_the_right_gradients_with_every_sharing) {
  const Segments segments = of({3, 0, 1, 4});
  const auto run = [&](const std::vector<Tensor>& x, size_t e, size_t f) {
    return linformer({x[0], x[1], x[2], x[e], x[f]}, segments, segments);
  };
  auto x = draw_inputs(8, 2, 3, 2);
  x.push_back(draw({2, 3, 5}, 3)), x.push_back(draw({2, 3, 5}, 4));
  check_op([&](auto& y) { return run(y, 3, 4); }, x);  // per head
  x[3] = draw({1, 3, 5}, 3);
  check_op([&](auto& y) { return run(y, 3, 4); }, x);  // headwise
  x.pop_back();
  check_op([&](auto& y) { return run(y, 3, 3); }, x);  // key-value
}

TEST(Linformer, identities_give_full_attention_bit_for_bit_and_shorter_sequences_the_leading_columns) {
  const Segments segments = Segments::equal(2, 70);
  for (const DType dtype : {DType::float32, DType::float64}) {
    const auto x = draw_inputs(140, 2, 16, 8, dtype);
    const auto full = [&](auto& y) { return scaled_dot(y[0], y[1], y[2], segments, segments).out; };
    const auto by_identity = [&](auto& y) {
      const Tensor one = identities(1, 70, dtype), each = identities(2, 70, dtype);
      return linformer({y[0], y[1], y[2], one, each}, segments, segments);
    };
    const auto wanted = testing::run(full, x), found = testing::run(by_identity, x);
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_TRUE(same_bits(found[i], wanted[i])) << i;
  }
  // Five tokens with a projection for nine, and with its leading five columns alone.
  const auto x = draw_inputs(5, 1, 4, 4);
  const Tensor whole = draw({1, 3, 9}, 3);
  const Tensor leading = whole.columns_view(0, 5);
  const Segments five = Segments::equal(1, 5);
  EXPECT_TRUE(same_bits(linformer({x[0], x[1], x[2], whole, whole}, five, five),
                        linformer({x[0], x[1], x[2], leading, leading}, five, five)));
}

// ---- Nystrom --------------------------------------------------------------------------------------------------------

TEST(Nystrom, definition_and_kernel_have_the_right_gradients) {
  const Segments segments = of({2, 0, 1, 5});
  auto x = draw_inputs(8, 2, 3, 2);
  for (const int rounds : {0, 6}) {
    check_op([&](auto& y) { return nystrom(y[0], y[1], y[2], segments, {.landmarks = 3, .rounds = rounds}); }, x);
  }
  x.push_back(draw({2, 5}, 3));
  check_op([&](auto& y) { return nystrom(y[0], y[1], y[2], segments, {.landmarks = 2, .convolution = y[3]}); }, x);
}

TEST(Nystrom, a_landmark_for_each_token_gives_full_attention_once_the_inverse_has_converged) {
  const Segments segments = of({9, 4, 1});
  auto x = draw_inputs(14, 2, 4, 3);
  for (const Tensor& each : {x[0], x[1]}) {
    Tensor larger = each;
    for (double& value : larger.data<double>()) value *= 2;  // a better conditioned A
  }
  const auto full = testing::run([&](auto& y) { return scaled_dot(y[0], y[1], y[2], segments, segments).out; }, x);
  const auto found =
      testing::run([&](auto& y) { return nystrom(y[0], y[1], y[2], segments, {.landmarks = 9, .rounds = 60}); }, x);
  for (size_t i = 0; i < full.size(); ++i) EXPECT_LT(relative_difference(found[i], full[i]), 1e-8) << i;
  const Tensor early = nystrom(x[0], x[1], x[2], segments, {.landmarks = 9, .rounds = 1});
  EXPECT_GT(relative_difference(early, full[0]), 1e-3);
}

TEST(Nystrom, landmarks_are_means_of_stretches_of_any_length) {
  // Seven tokens in three stretches of 2, 2 and 3; two tokens are their own landmarks; none have none.
  const Segments segments = of({7, 0, 2});
  const Segments landmarks = landmark_segments(segments, 3);
  const Tensor x = Tensor::of<double>({9, 1, 1}, {1, 3, 5, 9, 2, 3, 10, 20, 30});
  const Tensor means = landmark_means(x, segments, landmarks);
  const std::vector<double> wanted{2, 7, 5, 20, 30};
  ASSERT_EQ(means.elements(), 5);
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(means.at(static_cast<int64_t>(i)), wanted[i], 1e-12) << i;
}

// ---- Both -----------------------------------------------------------------------------------------------------------

using Attend = std::function<Tensor(const std::vector<Tensor>& x, const Segments& segments)>;

std::vector<Attend> mechanisms() {
  const Tensor e = draw({3, 20, 150}, 5, DType::float32), f = draw({1, 20, 150}, 6, DType::float32);
  const Tensor kernel = draw({3, 5}, 7, DType::float32);
  return {[=](auto& x, auto& segments) {
            return linformer({x[0], x[1], x[2], e, f}, segments, segments);
          },
          [=](auto& x, auto& segments) {
            return nystrom(x[0], x[1], x[2], segments, {.landmarks = 16, .convolution = kernel});
          }};
}

TEST(LandmarkAttention, a_sequence_has_the_same_bits_alone_as_anywhere_in_a_batch_and_with_any_number_of_threads) {
  const Segments segments = of({17, 1, 150, 64, 0, 65});
  const auto x = draw_inputs(segments.rows(), 3, 16, 16, DType::float32);
  const Tensor seed = draw(x[0].shape(), 3, DType::float32);
  for (const Attend& attend : mechanisms()) {
    const auto results = [&](const std::vector<Tensor>& given, const Segments& where, const Tensor& dy) {
      Tape tape;
      for (const Tensor& each : given) tape.watch(each);
      const Tensor y = attend(given, where);
      const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&dy, 1));
      return std::vector<Tensor>{detach(y), gradients.of(given[0]), gradients.of(given[1]), gradients.of(given[2])};
    };
    const auto whole = results(x, segments, seed);
    for (int threads = 1; threads <= 3; ++threads) {
      const testing::Threads limit(threads);
      const auto again = results(x, segments, seed);
      for (size_t i = 0; i < whole.size(); ++i) ASSERT_TRUE(same_bits(again[i], whole[i])) << threads << ' ' << i;
    }
    for (int s = 0; s < segments.count(); ++s) {
      std::vector<Tensor> part;
      for (const Tensor& each : x) part.push_back(each.rows_view(segments.begin(s), segments.length(s)));
      const auto alone =
          results(part, Segments::equal(1, segments.length(s)), seed.rows_view(segments.begin(s), segments.length(s)));
      for (size_t i = 0; i < whole.size(); ++i) {
        ASSERT_TRUE(same_bits(alone[i], whole[i].rows_view(segments.begin(s), segments.length(s)))) << s << ' ' << i;
      }
    }
  }
}

TEST(LandmarkAttention, is_as_exact_as_its_definition_at_real_sizes) {
  const Segments segments = of({100, 70, 33});
  auto x = draw_inputs(203, 2, 32, 32);
  check_op([&](auto& y) { return nystrom(y[0], y[1], y[2], segments, {.landmarks = 32}); }, x, {.gradients = false});
  for (const int64_t heads : {2, 1}) x.push_back(draw({heads, 24, 100}, 4));
  for (size_t i = 3; i < 5; ++i) {
    for (double& value : x[i].data<double>()) value *= 0.1;
  }
  check_op(
      [&](auto& y) {
        return linformer({y[0], y[1], y[2], y[3], y[4]}, segments, segments);
      },
      x, {.gradients = false});
}

TEST(LandmarkAttention, says_what_does_not_fit_and_that_there_is_no_causal_form) {
  const auto x = draw_inputs(4, 2, 3, 2);
  const Segments four = Segments::equal(1, 4);
  const auto said = [&](const Tensor& e, const Tensor& f) {
    return error_of([&] { linformer({x[0], x[1], x[2], e, f}, four, four); });
  };
  EXPECT_NE(
      said(draw({1, 2, 3}, 0), draw({1, 2, 3}, 0)).find("a sequence has 4 tokens, but the projection was made for 3"),
      std::string::npos);
  EXPECT_NE(said(draw({1, 2, 4}, 0), draw({1, 3, 4}, 0)).find("each with the same k"), std::string::npos);
  EXPECT_NE(said(draw({3, 2, 4}, 0), draw({3, 2, 4}, 0)).find("[3, 2, 4], expected [1 or 2, k, n]"), std::string::npos);
  const Tensor e = draw({1, 2, 4}, 0);
  EXPECT_NE(error_of([&] {
              linformer({x[0], x[1], x[2], e, e}, four, four, {.causal = true});
            }).find("no causal form"),
            std::string::npos);
  const auto nystrom_said = [&](const NystromOptions& options) {
    return error_of([&] { nystrom(x[0], x[1], x[2], four, options); });
  };
  EXPECT_NE(nystrom_said({.causal = true}).find("no causal form"), std::string::npos);
  EXPECT_NE(nystrom_said({.landmarks = 0}).find("0 landmarks"), std::string::npos);
  EXPECT_NE(nystrom_said({.convolution = draw({2, 4}, 0)}).find("an odd number of taps"), std::string::npos);
}

}  // namespace
}  // namespace attune::attention
