#include "attune/attention/feature_attention.h"

#include <gtest/gtest.h>

#include <array>

#include "attune/attention/linear_attention.h"
#include "attune/attention/performer.h"
#include "attune/attention/scaled_dot.h"
#include "attune/ops/op_checks.h"

namespace attune::attention {
namespace {

using testing::check_op;
using testing::error_of;
using testing::relative_difference;
using testing::same_bits;

// What the mechanisms have in common.
struct Mechanism {
  const char* name;
  std::function<Tensor(const std::vector<Tensor>& x, const Segments& queries, const Segments& keys, bool causal)>
      attend;
  std::function<Tensor(const std::vector<Tensor>& x, FeatureState& state)> step;
  std::function<FeatureState(const Tensor& k, const Tensor& v, const Segments& keys)> state;
};

// Of a depth of queries and keys.
std::vector<Mechanism> mechanisms(int64_t depth) {
  const auto performer_with = [depth](const char* name, PerformerKernel kernel, double epsilon) -> Mechanism {
    const Tensor w = random_features({2 * depth + 1, depth}, Rng(3), 0, {}, DType::float64);
    PerformerOptions options{.kernel = kernel, .epsilon = epsilon};
    return {
        name,
        [=](auto& x, auto& queries, auto& keys, bool causal) mutable {
          options.causal = causal;
          return performer(x[0], x[1], x[2], w.to(x[0].dtype()), queries, keys, options);
        },
        [=](auto& x, auto& state) { return performer_step(x[0], x[1], x[2], w.to(DType::float32), state, options); },
        [=](auto& k, auto& v, auto& keys) { return performer_state(k, v, w.to(DType::float32), keys, options); }};
  };
  return {performer_with("exponential", PerformerKernel::exponential, 0.05),
          performer_with("relu", PerformerKernel::relu, 0.05),
          {"linear",
           [](auto& x, auto& queries, auto& keys, bool causal) {
             return linear_attention(x[0], x[1], x[2], queries, keys, {.causal = causal});
           },
           [](auto& x, auto& state) { return linear_attention_step(x[0], x[1], x[2], state); },
           [](auto& k, auto& v, auto& keys) { return linear_attention_state(k, v, keys); }}};
}

Tensor draw(const Shape& shape, int stream, DType dtype = DType::float64) {
  return random_tensor(shape, Rng(5).stream(static_cast<uint64_t>(stream)), dtype);
}

std::vector<Tensor> draw_inputs(int64_t queries, int64_t keys, int64_t heads, int64_t depth, int64_t values,
                                DType dtype = DType::float64) {
  return {draw({queries, heads, depth}, 0, dtype), draw({keys, heads, depth}, 1, dtype),
          draw({keys, heads, values}, 2, dtype)};
}

Segments of(std::vector<int> lengths) {
  return Segments::of_lengths(lengths);
}

TEST(FeatureAttention, definition_and_kernel_have_the_right_gradients) {
  for (const Mechanism& mechanism : mechanisms(3)) {
    SCOPED_TRACE(mechanism.name);
    const Segments segments = of({3, 0, 1, 4}), others = of({2, 3, 0, 1});
    check_op([&](auto& x) { return mechanism.attend(x, segments, segments, true); }, draw_inputs(8, 8, 2, 3, 2));
    check_op([&](auto& x) { return mechanism.attend(x, segments, others, false); }, draw_inputs(8, 6, 2, 3, 2));
  }
}

TEST(FeatureAttention, is_as_exact_as_its_quadratic_form_around_the_ends_of_chunks) {
  for (const Mechanism& mechanism : mechanisms(17)) {
    SCOPED_TRACE(mechanism.name);
    const Segments segments = of({63, 64, 65, 1, 150}), others = of({65, 1, 64, 0, 129});
    check_op([&](auto& x) { return mechanism.attend(x, segments, segments, true); }, draw_inputs(343, 343, 2, 17, 9),
             {.gradients = false});
    check_op([&](auto& x) { return mechanism.attend(x, segments, others, false); }, draw_inputs(343, 259, 2, 17, 9),
             {.gradients = false});
  }
}

// Sequences so long that the backward finds the sums over their keys as the forward left them.
TEST(FeatureAttention, is_as_exact_over_long_sequences) {
  for (const Mechanism& mechanism : mechanisms(4)) {
    SCOPED_TRACE(mechanism.name);
    const Segments segments = of({130, 700}), others = of({500, 400});
    check_op([&](auto& x) { return mechanism.attend(x, segments, others, false); }, draw_inputs(830, 900, 2, 4, 5),
             {.gradients = false});
  }
}

TEST(FeatureAttention, parallel_causal_and_recurrent_form_are_equal) {
  for (const Mechanism& mechanism : mechanisms(8)) {
    SCOPED_TRACE(mechanism.name);
    const int length = 130, sequences = 2;
    const Segments segments = Segments::equal(sequences, length);
    const auto x = draw_inputs(sequences * length, sequences * length, 2, 8, 5, DType::float32);
    const Tensor causal = mechanism.attend(x, segments, segments, true);
    FeatureState state, later;
    for (int t = 0; t < length; ++t) {
      std::vector<Tensor> here;
      for (const Tensor& each : x) {
        const int64_t row = each.stride(0);
        here.push_back(each.strided_view({sequences, each.size(1), each.size(2)},
                                         std::vector<int64_t>{length * row, each.stride(1), 1}, t * row));
      }
      Tensor y = mechanism.step(here, state);
      EXPECT_EQ(state.sums.size(0), sequences);
      for (int s = 0; s < sequences; ++s) {
        ASSERT_LT(relative_difference(y.rows_view(s, 1), causal.rows_view(s * length + t, 1)), 1e-5) << t;
      }
      if (t > 64) {
        ASSERT_TRUE(same_bits(y, mechanism.step(here, later))) << t;
      }
      if (t != 64 && t != 99 && t + 1 != length) continue;
      // Whoever sees the first t + 1 tokens, in any order of sums.
      const Segments seen = Segments::at({0, length}, {t + 1, t + 1}, sequences * length);
      const Tensor parallel =
          mechanism.attend({here[0].compact(), x[1], x[2]}, Segments::equal(sequences, 1), seen, false);
      EXPECT_LT(relative_difference(y, parallel), 1e-5) << t;
      if (t == 64) {
        later = mechanism.state(x[1], x[2], seen);
        EXPECT_LT(relative_difference(later.normaliser, state.normaliser), 1e-5);
        // From here on both go the same way.
        state.sums = later.sums.clone(), state.normaliser = later.normaliser.clone();
        if (state.log_scale) state.log_scale = later.log_scale.clone();
      }
    }
  }
}

TEST(FeatureAttention, a_sequence_has_the_same_bits_alone_as_anywhere_in_a_batch) {
  for (const Mechanism& mechanism : mechanisms(16)) {
    const Segments segments = of({17, 1, 150, 64, 0, 65});
    const auto x = draw_inputs(segments.rows(), segments.rows(), 3, 16, 16, DType::float32);
    for (const bool causal : {false, true}) {
      SCOPED_TRACE(std::string(mechanism.name) + (causal ? ", causal" : ""));
      const Tensor seed = draw(x[0].shape(), 3, DType::float32);
      const auto results = [&](const std::vector<Tensor>& given, const Segments& where, const Tensor& dy) {
        Tape tape;
        for (const Tensor& each : given) tape.watch(each);
        const Tensor y = mechanism.attend(given, where, where, causal);
        const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&dy, 1));
        return std::vector<Tensor>{detach(y), gradients.of(given[0]), gradients.of(given[1]), gradients.of(given[2])};
      };
      const auto whole = results(x, segments, seed);
      for (int s = 0; s < segments.count(); ++s) {
        std::vector<Tensor> part;
        for (const Tensor& each : x) part.push_back(each.rows_view(segments.begin(s), segments.length(s)));
        const auto alone = results(part, Segments::equal(1, segments.length(s)),
                                   seed.rows_view(segments.begin(s), segments.length(s)));
        for (size_t i = 0; i < whole.size(); ++i) {
          ASSERT_TRUE(same_bits(alone[i], whole[i].rows_view(segments.begin(s), segments.length(s)))) << s << ' ' << i;
        }
      }
    }
  }
}

TEST(FeatureAttention, no_later_token_reaches_a_bit_of_an_earlier_output_whatever_it_holds) {
  for (const Mechanism& mechanism : mechanisms(8)) {
    SCOPED_TRACE(mechanism.name);
    const Segments segments = Segments::equal(1, 100);
    const auto x = draw_inputs(100, 100, 1, 8, 8, DType::float32);
    const Tensor before = mechanism.attend(x, segments, segments, true);
    for (const int64_t from : {40, 70}) {
      for (const double value : {30.0, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
        std::vector<Tensor> changed;
        for (const Tensor& each : x) {
          changed.push_back(each.clone());
          Tensor rest = changed.back().rows_view(from, 100 - from);
          rest.fill(value);
        }
        const Tensor after = mechanism.attend(changed, segments, segments, true);
        EXPECT_TRUE(same_bits(after.rows_view(0, from), before.rows_view(0, from))) << from << ' ' << value;
        EXPECT_FALSE(same_bits(after.rows_view(from, 1), before.rows_view(from, 1)));
      }
    }
  }
}

TEST(FeatureAttention, memory_beside_the_result_is_a_few_numbers_a_row) {
  const testing::Threads one(1);
  const int length = 8192;
  const Segments segments = Segments::equal(1, length);
  const auto x = draw_inputs(length, length, 1, 16, 16, DType::float32);
  for (const Mechanism& mechanism : mechanisms(16)) {
    for (const bool causal : {false, true}) {
      reset_peak_memory();
      const auto before = memory_use().in_use;
      const Tensor y = mechanism.attend(x, segments, segments, causal);
      const auto beside = static_cast<double>(memory_use().peak - before) - y.bytes();
      EXPECT_LT(beside, 2 * 4 * length + 150'000) << mechanism.name;
    }
  }
}

TEST(FeatureAttention, says_what_does_not_fit) {
  const auto x = draw_inputs(4, 4, 2, 3, 2);
  const Segments four = Segments::equal(1, 4), two = Segments::equal(2, 2);
  const auto said = [&](std::vector<Tensor> y, const Segments& queries, const Segments& keys, bool causal = false) {
    return error_of([&] { linear_attention(y[0], y[1], y[2], queries, keys, {.causal = causal}); });
  };
  EXPECT_NE(said(x, four, two).find("1 query sequences but 2 key sequences"), std::string::npos);
  EXPECT_NE(said({x[0], draw({3, 2, 3}, 0), draw({3, 2, 2}, 0)}, four, Segments::equal(1, 3), true)
                .find("sequence 0 has 4 queries and 3 keys; the causal form needs"),
            std::string::npos);
  EXPECT_NE(said({x[0], draw({4, 2, 5}, 0), x[2]}, four, four).find("depth (3) differs from the keys' (5)"),
            std::string::npos);
  EXPECT_NE(said({x[0], draw({4, 1, 3}, 0), draw({4, 1, 2}, 0)}, four, four).find("2 heads of queries, 1 of keys"),
            std::string::npos);
  EXPECT_NE(said({x[0], x[1].to(DType::float32), x[2]}, four, four).find("expected one type"), std::string::npos);
  FeatureState state;
  state.sums = Tensor::zeros({4, 2, 4, 2});
  EXPECT_NE(error_of([&] {
              linear_attention_step(x[0].to(DType::float32), x[1].to(DType::float32), x[2].to(DType::float32), state);
            }).find("the state holds [4, 2, 4, 2], expected [4, 2, 3, 2]"),
            std::string::npos);
}

TEST(LinearAttention, is_the_papers_equation_by_hand) {
  // phi(q) = (2, 1 / e), phi(k) = (1, 3), (e^-2, 1).
  const auto one = [](std::initializer_list<double> values) {
    return Tensor::of<double>({static_cast<int64_t>(values.size()) / 2, 1, 2}, values);
  };
  const Tensor q = one({1, -1, 1, -1}), k = one({0, 2, -2, 0});
  const Tensor v = Tensor::of<double>({2, 1, 1}, {10, 100});
  const double e = std::exp(1), first = 2 + 3 / e, second = 2 * std::exp(-2) + 1 / e;
  const Segments both = Segments::equal(1, 2);
  const double whole = (first * 10 + second * 100) / (first + second + 0.5);
  const Tensor parallel = linear_attention(q, k, v, both, both, {.epsilon = 0.5});
  EXPECT_NEAR(parallel.at(0), whole, 1e-12);
  EXPECT_NEAR(parallel.at(1), whole, 1e-12);
  const Tensor causal = linear_attention(q, k, v, both, both, {.causal = true, .epsilon = 0.5});
  EXPECT_NEAR(causal.at(0), first * 10 / (first + 0.5), 1e-12);
  EXPECT_NEAR(causal.at(1), whole, 1e-12);
}

// exp(q.k / sqrt(depth)) by features of 8 numbers, and what it should be.
struct Estimate {
  double mean = 0, variance = 0;
};
Estimate estimate(int64_t count, bool orthogonal, int draws, double& exact) {
  const int64_t depth = 8;
  Tensor q = draw({1, 1, depth}, 7), k = draw({1, 1, depth}, 8);
  for (Tensor* x : {&q, &k}) {
    for (double& value : x->data<double>()) value *= 0.5;  // or the tails of exp decide about the variance
  }
  double product = 0;
  for (int64_t c = 0; c < depth; ++c) product += q.at(c) * k.at(c);
  exact = std::exp(product / std::sqrt(static_cast<double>(depth)));
  Estimate result;
  for (int n = 0; n < draws; ++n) {
    const Tensor w = random_features({count, depth}, Rng(11), n, {.orthogonal = orthogonal}, DType::float64);
    const Tensor phi_q = performer_map(q, w, {.epsilon = 0}), phi_k = performer_map(k, w, {.epsilon = 0});
    double found = 0;
    for (int64_t f = 0; f < count; ++f) found += phi_q.at(f) * phi_k.at(f);
    result.mean += found / draws;
    result.variance += (found - exact) * (found - exact) / draws;
  }
  return result;
}

TEST(Performer, features_are_an_unbiased_estimate_whose_error_falls_with_the_root_of_their_number) {
  double exact = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  const std::vector<int64_t> counts{8, 16, 32, 64, 128};
  for (const int64_t count : counts) {
    const int draws = 2000;
    const Estimate found = estimate(count, true, draws, exact), independent = estimate(count, false, draws, exact);
    // Four standard errors of the mean.
    EXPECT_NEAR(found.mean, exact, 4 * std::sqrt(found.variance / draws)) << count;
    EXPECT_NEAR(independent.mean, exact, 4 * std::sqrt(independent.variance / draws)) << count;
    EXPECT_LT(found.variance, independent.variance) << count;
    const double x = std::log(static_cast<double>(count)), y = 0.5 * std::log(independent.variance);
    sx += x, sy += y, sxx += x * x, sxy += x * y;
  }
  const auto n = static_cast<double>(counts.size());
  EXPECT_NEAR((n * sxy - sx * sy) / (n * sxx - sx * sx), -0.5, 0.05);
}

TEST(Performer, comes_near_softmax_attention) {
  const Segments segments = of({12, 7});
  auto x = draw_inputs(19, 19, 2, 8, 4);
  for (size_t i = 0; i < 2; ++i) {
    for (double& value : x[i].data<double>()) value *= 0.4;
  }
  for (const bool causal : {false, true}) {
    Options options;
    options.mask.causal = causal;
    const Tensor exact = scaled_dot(x[0], x[1], x[2], segments, segments, options).out;
    const auto error = [&](int64_t count) {
      const Tensor w = random_features({count, 8}, Rng(2), 0, {}, DType::float64);
      return relative_difference(
          performer(x[0], x[1], x[2], w, segments, segments, {.causal = causal, .epsilon = 1e-6}), exact);
    };
    EXPECT_LT(error(4096), 0.05);
    EXPECT_LT(error(4096), 0.5 * error(16));
  }
}

TEST(Performer, random_features_are_orthogonal_blocks_that_seed_and_draw_decide) {
  const int64_t count = 20, depth = 8;
  const Tensor w = random_features({count, depth}, Rng(1), 4, {}, DType::float64);
  const auto product = [&](const Tensor& x, int64_t i, int64_t j) {
    double sum = 0;
    for (int64_t c = 0; c < depth; ++c) sum += x.at(i * depth + c) * x.at(j * depth + c);
    return sum;
  };
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t j = i / depth * depth; j < i; ++j) EXPECT_NEAR(product(w, i, j), 0, 1e-12) << i << ' ' << j;
  }
  EXPECT_GT(std::fabs(product(w, 0, 8)), 0.01);  // blocks are independent
  const Tensor equal = random_features({count, depth}, Rng(1), 4, {.equal_norms = true}, DType::float64);
  for (int64_t i = 0; i < count; ++i) EXPECT_NEAR(product(equal, i, i), 8, 1e-12);
  EXPECT_TRUE(same_bits(w, random_features({count, depth}, Rng(1), 4, {}, DType::float64)));
  EXPECT_FALSE(same_bits(w, random_features({count, depth}, Rng(1), 5, {}, DType::float64)));
  EXPECT_FALSE(same_bits(w, random_features({count, depth}, Rng(2), 4, {}, DType::float64)));
}

TEST(Performer, keys_of_any_size_in_any_order_neither_overflow_nor_lose_what_is_small) {
  const Segments segments = of({150, 5});
  const Tensor w = random_features({32, 8}, Rng(3), 0, {}, DType::float64);
  // Lengths of keys by chunks: the logarithms of their features' scales are about -300 (45), -60 (22), -8 (11) and 0.
  using Lengths = std::array<double, 3>;
  for (const Lengths& lengths : {Lengths{0.01, 0.01, 0.01}, {11, 11, 11}, {0.01, 11, 45}, {22, 11, 0.01}}) {
    auto x = draw_inputs(155, 155, 1, 8, 4);
    for (int64_t row = 0; row < 155; ++row) {
      const auto key = x[1].data<double>().subspan(static_cast<size_t>(row * 8), 8);
      double square = 0;
      for (const double value : key) square += value * value;
      for (double& value : key) value *= lengths[static_cast<size_t>(row / 64)] / std::sqrt(square);
    }
    for (const bool causal : {false, true}) {
      SCOPED_TRACE(std::to_string(lengths[0]) + ' ' + std::to_string(lengths[2]) + (causal ? ", causal" : ""));
      check_op(
          [&](auto& y) {
            return performer(y[0], y[1], y[2], w.to(y[0].dtype()), segments, segments, {.causal = causal});
          },
          x, {.gradients = false});
    }
  }
}

TEST(Performer, says_what_does_not_fit) {
  const auto x = draw_inputs(4, 4, 2, 3, 2);
  const Segments four = Segments::equal(1, 4);
  EXPECT_NE(error_of([&] {
              performer(x[0], x[1], x[2], draw({7, 4}, 0), four, four);
            }).find("the features are [7, 4]"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              performer(x[0], x[1], x[2], Tensor::zeros({7, 3}), four, four);
            }).find("expected one type"),
            std::string::npos);
  EXPECT_NE(error_of([] { random_features({0, 3}, Rng(1), 0); }).find("expected [features, depth]"), std::string::npos);
}

}  // namespace
}  // namespace attune::attention
