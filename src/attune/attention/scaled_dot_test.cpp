// The definition against finite differences, over a table of options; its edges and messages.
#include "attune/attention/scaled_dot.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "attune/autograd/gradient_check.h"
#include "attune/autograd/tape.h"
#include "attune/base/error_of_test.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"

namespace attune::attention {
namespace {

using testing::error_of;

constexpr double infinity = std::numeric_limits<double>::infinity();

Tensor allowed_pattern(const Shape& shape) {
  Tensor allowed = Tensor::empty(shape, DType::boolean);
  auto bits = allowed.data<bool>();
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = Rng(91).below(i, 3) != 0;
  return allowed;
}

struct Case {
  std::string name;
  std::function<Options(const Tensor& bias)> options;
  Shape bias = {0};  // of a differentiable bias, when the case has one
  int heads = 2, kv_heads = 2, depth = 3, value_depth = 3;
  bool rectified = false;  // a kink at 0: the queries and keys are drawn so that scores stay away from it
};

std::vector<Case> cases() {
  const auto with = [](Options options) { return [options](const Tensor&) { return options; }; };
  std::vector<Case> table;
  table.push_back({"softmax", with({})});
  table.push_back({"scale", with({.scale = 0.7})});
  table.push_back({"causal", with({.mask = {.causal = true}})});
  table.push_back({"band", with({.mask = {.left = 1, .right = 1}})});
  table.push_back({"causal_band", with({.mask = {.causal = true, .left = 2}})});
  table.push_back({"allowed_shared", with({.mask = {.allowed = allowed_pattern({1, 5, 6})}})});
  table.push_back({"allowed_by_head", with({.mask = {.causal = true, .allowed = allowed_pattern({2, 5, 6})}})});
  table.push_back({"softcap", with({.softcap = 1.5})});
  for (const auto normaliser : {Normaliser::relu, Normaliser::relu_mean, Normaliser::relu_sum, Normaliser::sigmoid}) {
    Case row{std::string(name_of(normaliser)), with({.mask = {.causal = true}, .normaliser = normaliser})};
    row.rectified = normaliser != Normaliser::sigmoid;
    table.push_back(row);
  }
  table.push_back({"dropout", with({.mask = {.causal = true}, .dropout = {0.4, Rng(5)}})});
  Case dropped_relu{"dropout_relu_sum", with({.normaliser = Normaliser::relu_sum, .dropout = {0.4, Rng(6)}})};
  dropped_relu.rectified = true;
  table.push_back(dropped_relu);
  table.push_back({"grouped", with({}), {0}, 4, 2, 3, 2});
  table.push_back({"multi_query", with({.mask = {.causal = true}}), {0}, 3, 1, 2, 5});
  table.push_back({"dense_bias", [](const Tensor& b) { return Options{.bias = DenseBias{b}}; }, {2, 5, 6}});
  table.push_back({"dense_bias_shared",
                   [](const Tensor& b) { return Options{.mask = {.causal = true}, .bias = DenseBias{b}}; },
                   {1, 5, 6}});
  table.push_back({"slopes", [](const Tensor& b) { return Options{.bias = Slopes{b}}; }, {2}});
  table.push_back({"slopes_softcap_dropout",
                   [](const Tensor& b) {
                     return Options{.mask = {.left = 3}, .bias = Slopes{b}, .softcap = 2.0, .dropout = {0.3, Rng(8)}};
                   },
                   {2}});
  table.push_back({"buckets", [](const Tensor& b) { return Options{.bias = Buckets{b, 5, true}}; }, {2, 6}});
  table.push_back(
      {"buckets_causal",
       [](const Tensor& b) {
         return Options{.mask = {.causal = true}, .bias = Buckets{b, 4, false}, .normaliser = Normaliser::sigmoid};
       },
       {2, 4}});
  table.push_back({"offsets", [](const Tensor& b) { return Options{.bias = Offsets{b, true}}; }, {2, 5}});
  table.push_back({"offsets_causal",
                   [](const Tensor& b) {
                     return Options{.mask = {.causal = true}, .bias = Offsets{b, false}};
                   },
                   {2, 3}});
  return table;
}

// out and log-sum-exp side by side, so that both gradients are checked; rows without keys have -inf there, so 0
// instead.
Tensor both(const Attended& attended) {
  if (!attended.log_sum_exp) return attended.out;
  const Tensor out = attended.out.compact(), lse = attended.log_sum_exp;
  const int64_t n = out.elements(), m = lse.elements();
  Tensor y = Tensor::zeros({n + m}, DType::float64);
  std::copy_n(out.data<double>().begin(), n, y.data<double>().begin());
  for (int64_t i = 0; i < m; ++i) y.data<double>()[n + i] = std::isinf(lse.at(i)) ? 0.0 : lse.at(i);
  return differentiable("both", y, {attended.out, lse},
                        [n, m, out_shape = out.shape(), lse_shape = lse.shape()](const Tensor& dy, Adjoints& into) {
                          into.add(0, dy.rows_view(0, n).viewed(out_shape));
                          into.add(1, dy.rows_view(n, m).viewed(lse_shape));
                        });
}

TEST(ScaledDotDefinition, has_the_gradients_that_finite_differences_show_for_every_option) {
  set_threads(1);  // thousands of tiny calls
  const auto queries = Segments::of_lengths(std::vector<int>{3, 0, 1, 5, 2});
  const auto keys = Segments::of_lengths(std::vector<int>{2, 2, 1, 6, 0});
  for (const Case& row : cases()) {
    std::vector<Tensor> inputs{random_tensor({queries.rows(), row.heads, row.depth}, Rng(1)),
                               random_tensor({keys.rows(), row.kv_heads, row.depth}, Rng(2)),
                               random_tensor({keys.rows(), row.kv_heads, row.value_depth}, Rng(3))};
    if (row.rectified) {  // products of +-(0.5 ... 1) in the first coordinate only: no score is near 0
      for (int which : {0, 1}) {
        auto x = inputs[static_cast<size_t>(which)].data<double>();
        for (size_t i = 0; i < x.size(); ++i) {
          x[i] = i % 3 == 0 ? (Rng(4).below(i, 3) == 0 ? -1 : 1) * (0.5 + Rng(4).uniform(i) / 2) : 0.01 * x[i];
        }
      }
    }
    if (row.bias.elements() > 0) inputs.push_back(random_tensor(row.bias, Rng(9)));
    const auto worst = gradient_error(
        [&](auto& x) {
          return both(
              scaled_dot_definition(x[0], x[1], x[2], queries, keys, row.options(x.size() > 3 ? x[3] : Tensor())));
        },
        inputs);
    EXPECT_LT(worst.error, 1e-7) << row.name << ": " << worst.where;
  }
  set_threads(0);
}

TEST(ScaledDotDefinition, equals_hand_computed_weights) {
  const auto one = Segments::equal(1, 2);
  const Tensor q = Tensor::of<double>({2, 1, 1}, {1.0, 2.0}), k = Tensor::of<double>({2, 1, 1}, {1.0, 3.0});
  const Tensor v = Tensor::of<double>({2, 1, 1}, {10.0, 20.0});
  const auto y = scaled_dot_definition(q, k, v, one, one);
  const double p = 1 / (1 + std::exp(-2.0));  // scores 1, 3 and 2, 6
  EXPECT_NEAR(y.out.at(0), 10 * (1 - p) + 20 * p, 1e-12);
  EXPECT_NEAR(y.log_sum_exp.at(1), 6 + std::log1p(std::exp(-4.0)), 1e-12);
  const auto causal = scaled_dot_definition(q, k, v, one, one, {.mask = {.causal = true}});
  EXPECT_EQ(causal.out.at(0), 10.0);
  const Tensor mean =
      scaled_dot_weights(q, k, one, one, 0, {.mask = {.causal = true}, .normaliser = Normaliser::relu_mean});
  EXPECT_EQ(mean.at(0), 1.0);  // divided by the one key that row 0 sees
  EXPECT_EQ(mean.at(1), 0.0);
  EXPECT_EQ(mean.at(3), 3.0);
  const Tensor sum = scaled_dot_weights(q, k, one, one, 0, {.normaliser = Normaliser::relu_sum});
  EXPECT_NEAR(sum.at(1), 3 / (4 + 1e-6), 1e-12);
}

TEST(ScaledDotDefinition, band_and_causal_mask_are_inclusive_and_aligned_at_the_end) {
  const auto queries = Segments::equal(1, 2), keys = Segments::equal(1, 5);
  const Tensor q = Tensor::zeros({2, 1, 2}, DType::float64), k = Tensor::zeros({5, 1, 2}, DType::float64);
  const auto seen = [&](const Mask& mask) {
    const Tensor p = scaled_dot_weights(q, k, queries, keys, 0, {.mask = mask});
    std::string text;
    for (int64_t i = 0; i < 10; ++i) {
      if (i == 5) text.push_back('/');
      text.push_back(p.at(i) > 0 ? '1' : '0');
    }
    return text;
  };
  EXPECT_EQ(seen({}), "11111/11111");
  EXPECT_EQ(seen({.causal = true}), "11110/11111");
  EXPECT_EQ(seen({.left = 1, .right = 0}), "00110/00011");
  EXPECT_EQ(seen({.left = 0, .right = 1}), "00011/00001");
  EXPECT_EQ(seen({.causal = true, .left = 2, .right = 3}), "01110/00111");
}

TEST(ScaledDotDefinition, slopes_buckets_and_offsets_equal_the_dense_bias_they_stand_for) {
  const auto queries = Segments::equal(1, 3), keys = Segments::equal(1, 40);
  const Tensor q = random_tensor({3, 1, 4}, Rng(1)), k = random_tensor({40, 1, 4}, Rng(2));
  Tensor alibi = Tensor::empty({1, 3, 40}, DType::float64), table = random_tensor({1, 8}, Rng(3));
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 40; ++j) alibi.data<double>()[i * 40 + j] = -0.25 * std::abs(37 + i - j);
  }
  const auto weights = [&](const decltype(Options::bias)& bias) {
    Options options;
    options.bias = bias;
    return scaled_dot_weights(q, k, queries, keys, 0, options);
  };
  const Tensor a = weights(Slopes{Tensor::full({1}, 0.25, DType::float64)}), b = weights(DenseBias{alibi});
  // 8 unidirectional buckets up to 32: distances 0 1 2 3 | 4-6 | 7-11 | 12-19 | 20 and more (borders 4 * 8^(n/4))
  Tensor dense = Tensor::empty({1, 3, 40}, DType::float64);
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 40; ++j) {
      const int n = std::max(0, 37 + i - j);
      const int bucket = n < 4 ? n : n < 7 ? 4 : n < 12 ? 5 : n < 20 ? 6 : 7;
      dense.data<double>()[i * 40 + j] = table.at(bucket);
    }
  }
  const Tensor c = weights(Buckets{table, 32, false}), e = weights(DenseBias{dense});
  for (int64_t i = 0; i < a.elements(); ++i) {
    EXPECT_NEAR(a.at(i), b.at(i), 1e-15);
    EXPECT_NEAR(c.at(i), e.at(i), 1e-15) << "key " << i % 40;
  }
  // Three keys to either side have their own number, the others the last one's: j - i = -37 ... 2 for the first query.
  const Tensor numbers = random_tensor({1, 7}, Rng(4));
  Tensor both = Tensor::empty({1, 3, 40}, DType::float64), past = both.clone();
  for (int i = 0; i < 3; ++i) {
    for (int j = 0; j < 40; ++j) {
      const int offset = j - (37 + i);
      both.data<double>()[i * 40 + j] = numbers.at(3 + std::min(3, std::max(-3, offset)));
      past.data<double>()[i * 40 + j] = numbers.at(std::min(6, std::max(0, -offset)));
    }
  }
  const Tensor f = weights(Offsets{numbers, true}), g = weights(DenseBias{both});
  const Tensor h = weights(Offsets{numbers, false}), m = weights(DenseBias{past});
  for (int64_t i = 0; i < f.elements(); ++i) {
    EXPECT_NEAR(f.at(i), g.at(i), 1e-15);
    EXPECT_NEAR(h.at(i), m.at(i), 1e-15);
  }
}

TEST(ScaledDotDefinition, hides_what_minus_infinity_hides_but_not_minus_forty_thousand) {
  const auto one = Segments::equal(1, 2), single = Segments::equal(1, 1);
  const Tensor q = Tensor::zeros({1, 1, 1}), k = Tensor::zeros({2, 1, 1}),
               v = Tensor::of<float>({2, 1, 1}, {7.0f, 9.0f});
  const auto out = [&](float first, float second) {
    Options options;
    options.bias = DenseBias{Tensor::of<float>({1, 1, 2}, {first, second})};
    return scaled_dot(q, k, v, single, one, options).out.at(0);
  };
  const auto low = static_cast<float>(-infinity);
  EXPECT_EQ(out(low, -40000.0f), 9.0);
  EXPECT_EQ(out(-40000.0f, -40000.0f), 8.0);
  EXPECT_EQ(out(-std::numeric_limits<float>::max(), -std::numeric_limits<float>::max()), 8.0);
  EXPECT_EQ(out(low, low), 0.0);
}

TEST(ScaledDotDefinition, keeps_the_share_of_weights_that_dropout_leaves) {
  const auto one = Segments::equal(1, 200);
  const Tensor q = Tensor::zeros({200, 1, 1}), v = Tensor::full({200, 1, 1}, 1.0);
  double mean = 0;
  const Tensor out = scaled_dot_definition(q, q, v, one, one, {.dropout = {0.25, Rng(3)}}).out;
  for (int64_t i = 0; i < 200; ++i) mean += out.at(i) / 200;
  EXPECT_NEAR(mean, 1.0, 0.02);  // 40,000 draws: standard deviation 0.003
}

TEST(ScaledDot, records_the_weights_of_chosen_heads_and_changes_no_bit_of_the_output) {
  const auto queries = Segments::of_lengths(std::vector{5, 40}), keys = Segments::of_lengths(std::vector{9, 70});
  const auto draw = [](int64_t rows, int heads, uint64_t seed) {
    return random_tensor({rows, heads, 16}, Rng(seed), DType::float32);
  };
  const Tensor q = draw(45, 4, 1), k = draw(79, 2, 2), v = draw(79, 2, 3);
  const Options options{.mask = {.causal = true}, .softcap = 5};
  const Tensor before = scaled_dot(q, k, v, queries, keys, options).out;
  const std::vector<int> chosen{3, 1};
  for (int s = 0; s < 2; ++s) {
    const Tensor weights = scaled_dot_weights(q, k, queries, keys, s, options, chosen);
    ASSERT_EQ(weights.shape(), (Shape{2, queries.length(s), keys.length(s)}));
    for (int64_t n = 0; n < weights.elements() / keys.length(s); ++n) {  // a row: a chosen head and a query
      const int64_t head = chosen[static_cast<size_t>(n / queries.length(s))], i = n % queries.length(s);
      for (int c = 0; c < 16; ++c) {
        double sum = 0;
        for (int64_t j = 0; j < keys.length(s); ++j) {
          sum += weights.at(n * keys.length(s) + j) * v.at(((keys.begin(s) + j) * 2 + head / 2) * 16 + c);
        }
        EXPECT_NEAR(before.at(((queries.begin(s) + i) * 4 + head) * 16 + c), sum, 1e-6);
      }
    }
  }
  const Tensor after = scaled_dot(q, k, v, queries, keys, options).out;
  for (int64_t i = 0; i < before.elements(); ++i) ASSERT_EQ(before.at(i), after.at(i));
  EXPECT_NE(error_of([&] { scaled_dot_weights(q, k, queries, keys, 0, options, std::vector{4}); }).find("0 to 3"),
            std::string::npos);
}

TEST(ScaledDot, counts_the_operations_of_the_visible_pairs) {
  constexpr int heads = 2, depth = 4, value_depth = 3;
  const Tensor q = Tensor::full({9, heads, depth}, 0.5), k = q.clone(), v = Tensor::full({9, heads, value_depth}, 0.5);
  const Segments segments = Segments::of_lengths(std::vector{4, 0, 5});
  const auto counted = [&](const Options& options) {
    Profile profile;
    Tape tape;
    tape.watch(q);
    const Tensor y = scaled_dot(q, k, v, segments, segments, options).out;
    tape.backward(std::span(&y, 1), std::span(&y, 1));
    const ProfileNode total = profile.stop().total;
    EXPECT_EQ(total.children.at(1).name, "backward");
    EXPECT_EQ(total.children[1].flops, 2.5 * total.children[0].flops);
    return total.children[0].flops / (2 * heads * (depth + value_depth));  // pairs
  };
  for (const double softcap : {0.0, 5.0}) {  // the fused kernel, the definition
    EXPECT_EQ(counted({.softcap = softcap}), 16 + 25);
    EXPECT_EQ(counted({.mask = {.causal = true}, .softcap = softcap}), 10 + 15);
    EXPECT_EQ(counted({.mask = {.left = 1, .right = 0}, .softcap = softcap}), 7 + 9);
  }
}

TEST(ScaledDot, says_what_does_not_fit) {
  const auto one = Segments::equal(1, 2);
  const Tensor q = Tensor::zeros({2, 8, 4}), k = Tensor::zeros({2, 3, 4});
  EXPECT_EQ(error_of([&] { scaled_dot(q, k, k, one, one); }), "scaled_dot: kv heads (3) must divide heads (8)");
  EXPECT_NE(error_of([&] { scaled_dot(q, q, q, one, Segments::equal(2, 1)); }).find("1 query sequences but 2"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              scaled_dot(q, q, q, one, one, {.dropout = {1.0, Rng(1)}});
            }).find("expected 0 <= rate < 1"),
            std::string::npos);
  EXPECT_NE(error_of([&] { normaliser_of_name("softmx"); }).find("relu_mean"), std::string::npos);
  EXPECT_EQ(normaliser_of_name("relu_sum"), Normaliser::relu_sum);
}

TEST(ScaledDot, lets_keys_coincide_in_the_forward_and_says_so_in_the_backward) {
  const auto queries = Segments::equal(2, 1), keys = Segments::at({0, 0}, {3, 3}, 3);
  const Tensor q = random_tensor({2, 1, 4}, Rng(1), DType::float32),
               k = random_tensor({3, 1, 4}, Rng(2), DType::float32);
  for (auto* mechanism : {&scaled_dot, &scaled_dot_definition}) {
    Tape tape;
    tape.watch(q);
    const Tensor y = (*mechanism)(q, k, k, queries, keys, {}).out;
    const Tensor alone = (*mechanism)(q.rows_view(1, 1), k, k, Segments::equal(1, 1), Segments::equal(1, 3), {}).out;
    EXPECT_EQ(y.at(5), alone.at(1));
    const Tensor seed = Tensor::full(y.shape(), 1.0);
    EXPECT_NE(error_of([&] { tape.backward(std::span(&y, 1), std::span(&seed, 1)); }).find("key segments overlap"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace attune::attention
