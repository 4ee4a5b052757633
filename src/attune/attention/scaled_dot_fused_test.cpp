// The fused kernel against the float64 definition, the numeric traps, and bit for bit equality under any batching.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "attune/attention/scaled_dot.h"
#include "attune/autograd/gradient_check.h"
#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"

namespace attune::attention {
namespace {

struct Problem {
  Tensor q, k, v, dout, dlse;
  Segments queries, keys;
};

struct Depths {
  int heads = 2, kv_heads = 2, depth = 8, value_depth = 8;
};

Problem problem_of(const std::vector<int>& queries, const std::vector<int>& keys, const Depths& depths,
                   DType dtype = DType::float32) {
  Problem p;
  p.queries = Segments::of_lengths(queries);
  p.keys = Segments::of_lengths(keys);
  const auto draw = [&](int64_t rows, int heads, int depth, uint64_t seed) {
    return random_tensor({rows, heads, depth}, Rng(seed), DType::float32).to(dtype);
  };
  p.q = draw(p.queries.rows(), depths.heads, depths.depth, 1);
  p.k = draw(p.keys.rows(), depths.kv_heads, depths.depth, 2);
  p.v = draw(p.keys.rows(), depths.kv_heads, depths.value_depth, 3);
  p.dout = draw(p.queries.rows(), depths.heads, depths.value_depth, 4);
  p.dlse = random_tensor({p.queries.rows(), depths.heads}, Rng(5), DType::float32).to(dtype);
  return p;
}

Problem in_float64(const Problem& p) {
  return {p.q.to(DType::float64),
          p.k.to(DType::float64),
          p.v.to(DType::float64),
          p.dout.to(DType::float64),
          p.dlse.to(DType::float64),
          p.queries,
          p.keys};
}

struct Results {
  std::vector<Tensor> all;  // out, log-sum-exp, dq, dk, dv
};

using Mechanism = Attended (*)(const Tensor&, const Tensor&, const Tensor&, const Segments&, const Segments&,
                               const Options&);

Results run(Mechanism mechanism, const Problem& p, const Options& options) {
  Tape tape;
  for (const Tensor* x : {&p.q, &p.k, &p.v}) tape.watch(*x);
  const Attended y = mechanism(p.q, p.k, p.v, p.queries, p.keys, options);
  std::vector<Tensor> outputs{y.out}, seeds{p.dout};
  if (y.log_sum_exp) {
    outputs.push_back(y.log_sum_exp);
    seeds.push_back(p.dlse);
  }
  const Gradients gradients = tape.backward(outputs, seeds);
  return {{y.out, y.log_sum_exp, gradients.of(p.q), gradients.of(p.k), gradients.of(p.v)}};
}

const char* const result_names[] = {"out", "log_sum_exp", "dq", "dk", "dv"};

double largest_of(const Tensor& x) {
  double largest = 0;
  for (int64_t i = 0; i < x.elements(); ++i) {
    if (std::isfinite(x.at(i))) largest = std::max(largest, std::fabs(x.at(i)));
  }
  return largest;
}

double largest_difference(const Tensor& x, const Tensor& y) {
  double largest = 0;
  for (int64_t i = 0; i < x.elements(); ++i) {
    const double a = x.at(i), b = y.at(i);
    if (a == b) continue;  // infinities too
    const double difference = std::fabs(a - b);
    largest = std::isnan(difference) ? INFINITY : std::max(largest, difference);
  }
  return largest;
}

// Against float64: at most twice (gradients: three times) the error of the float32 definition, plus 1e-6 of the
// largest.
void expect_as_exact_as_the_definition(const Problem& p, const Options& options, const std::string& what) {
  set_threads(1);  // many small calls; other tests compare thread counts
  const Results exact = run(scaled_dot_definition, in_float64(p), options);
  const Results plain = run(scaled_dot_definition, p, options), fused = run(scaled_dot, p, options);
  set_threads(0);
  for (size_t i = 0; i < exact.all.size(); ++i) {
    ASSERT_EQ(static_cast<bool>(exact.all[i]), static_cast<bool>(fused.all[i])) << what << " " << result_names[i];
    if (!exact.all[i]) continue;
    const double bound =
        (i < 2 ? 2 : 3) * largest_difference(plain.all[i], exact.all[i]) + 1e-6 * largest_of(exact.all[i]);
    EXPECT_LE(largest_difference(fused.all[i], exact.all[i]), bound) << what << " " << result_names[i];
  }
}

const std::vector<int> tricky_lengths{0, 1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 127};

TEST(ScaledDotFused, is_as_exact_as_the_definition_at_every_length_and_depth) {
  for (const int depth : {1, 8, 40, 63, 64, 80, 128}) {
    expect_as_exact_as_the_definition(problem_of(tricky_lengths, tricky_lengths, {1, 1, depth, depth}), {},
                                      "depth " + std::to_string(depth));
    expect_as_exact_as_the_definition(problem_of(tricky_lengths, tricky_lengths, {1, 1, depth, depth}),
                                      {.mask = {.causal = true}}, "causal, depth " + std::to_string(depth));
  }
  expect_as_exact_as_the_definition(problem_of({257, 3}, {257, 127}, {1, 1, 64, 64}), {.mask = {.causal = true}},
                                    "257");
}

TEST(ScaledDotFused, is_as_exact_as_the_definition_for_every_option) {
  const std::vector<int> fewer{0, 1, 3, 16, 5, 7, 64, 2}, more{4, 1, 17, 16, 50, 0, 65, 81};
  const std::vector<std::pair<std::string, Options>> table{
      {"plain", {}},
      {"causal", {.mask = {.causal = true}}},
      {"band", {.mask = {.left = 5, .right = 2}}},
      {"causal band", {.mask = {.causal = true, .left = 20}}},
      {"right only", {.mask = {.right = 0}}},
      {"scale", {.scale = -0.3}},
      {"dropout", {.dropout = {0.3, Rng(7)}}},
      {"causal dropout", {.mask = {.causal = true}, .dropout = {0.1, Rng(8)}}},
      {"relu", {.mask = {.causal = true}, .normaliser = Normaliser::relu}},
      {"relu_mean", {.mask = {.causal = true}, .normaliser = Normaliser::relu_mean, .dropout = {0.2, Rng(9)}}},
      {"relu_sum", {.normaliser = Normaliser::relu_sum, .dropout = {0.2, Rng(10)}}},
      {"sigmoid", {.mask = {.left = 9}, .normaliser = Normaliser::sigmoid, .dropout = {0.2, Rng(11)}}}};
  for (const auto& [name, options] : table) {
    for (const Depths& depths : {Depths{2, 2, 16, 16}, Depths{4, 2, 24, 7}, Depths{3, 1, 5, 64}}) {
      expect_as_exact_as_the_definition(problem_of(fewer, more, depths), options, name + ", fewer queries");
      expect_as_exact_as_the_definition(problem_of(more, fewer, depths), options, name + ", more queries");
    }
  }
}

TEST(ScaledDotFused, reads_strided_views_of_one_projection_without_a_change_of_bits) {
  const int heads = 2, depth = 24, width = heads * depth;
  const Problem p = problem_of({17, 40}, {17, 40}, {heads, heads, depth, depth});
  const int64_t rows = p.queries.rows();
  Tensor together = Tensor::empty({rows, 3 * width});
  for (int64_t r = 0; r < rows; ++r) {
    for (int c = 0; c < width; ++c) {
      float* line = together.data<float>().data() + r * 3 * width;
      line[c] = p.q.data<float>()[r * width + c];
      line[width + c] = p.k.data<float>()[r * width + c];
      line[2 * width + c] = p.v.data<float>()[r * width + c];
    }
  }
  const auto part = [&](int which) {
    return together.strided_view({rows, heads, depth}, std::vector<int64_t>{3 * width, depth, 1}, which * width);
  };
  Problem views = p;
  views.q = part(0);
  views.k = part(1);
  views.v = part(2);
  const Options options{.mask = {.causal = true}};
  for (const Mechanism mechanism : {&scaled_dot, &scaled_dot_definition}) {
    const Results a = run(mechanism, p, options), b = run(mechanism, views, options);
    for (size_t i = 0; i < a.all.size(); ++i) EXPECT_EQ(largest_difference(a.all[i], b.all[i]), 0) << result_names[i];
  }
}

TEST(ScaledDotFused, leaves_gaps_between_segments_at_zero) {
  Problem p = problem_of({9}, {30}, {2, 2, 16, 16});
  p.queries = Segments::at({1, 6}, {3, 2}, 9);
  p.keys = Segments::at({20, 2}, {5, 11}, 30);
  const Options options{.mask = {.causal = true}};
  expect_as_exact_as_the_definition(p, options, "gaps");
  const Results y = run(scaled_dot, p, options);
  EXPECT_EQ(largest_of(y.all[0].rows_view(4, 2)), 0);
  EXPECT_EQ(largest_of(y.all[3].rows_view(13, 7)), 0);
  EXPECT_EQ(largest_of(y.all[4].rows_view(0, 2)), 0);
}

// ---- Bit for bit ----------------------------------------------------------------------------------------------------

std::vector<Options> bitwise_options() {
  return {{},
          {.mask = {.causal = true}},
          {.mask = {.causal = true, .left = 7}},
          {.mask = {.causal = true}, .normaliser = Normaliser::sigmoid}};
}

TEST(ScaledDotFused, has_the_same_bits_with_any_number_of_threads) {
  const Problem p =
      problem_of({5, 300, 1, 24, 24, 60, 130, 0, 77}, {5, 300, 9, 24, 30, 61, 130, 3, 77}, {4, 2, 64, 64});
  for (Options options : bitwise_options()) {
    options.dropout = {0.1, Rng(3)};
    set_threads(1);
    const Results one = run(scaled_dot, p, options);
    for (const int threads : {2, 3}) {
      set_threads(threads);
      const Results many = run(scaled_dot, p, options);
      for (size_t i = 0; i < one.all.size(); ++i) {
        if (one.all[i]) {
          EXPECT_EQ(largest_difference(one.all[i], many.all[i]), 0) << result_names[i];
        }
      }
    }
    set_threads(0);
  }
}

TEST(ScaledDotFused, gives_a_sequence_the_same_bits_alone_as_anywhere_in_a_batch) {
  const std::vector<int> lengths{7, 33, 1, 64, 100, 250, 19};
  const Problem p = problem_of(lengths, lengths, {2, 1, 40, 24});
  for (const Options& options : bitwise_options()) {
    const Results batch = run(scaled_dot, p, options);
    for (int s = 0; s < p.queries.count(); ++s) {
      const auto only = [&](const Tensor& x) { return x.rows_view(p.queries.begin(s), p.queries.length(s)); };
      const auto segment = Segments::equal(1, p.queries.length(s));
      const Problem alone{only(p.q), only(p.k), only(p.v), only(p.dout), only(p.dlse), segment, segment};
      const Results single = run(scaled_dot, alone, options);
      for (size_t i = 0; i < single.all.size(); ++i) {
        if (single.all[i]) {
          EXPECT_EQ(largest_difference(single.all[i], only(batch.all[i])), 0) << result_names[i];
        }
      }
    }
  }
}

TEST(ScaledDotFused, gives_a_causal_row_the_same_bits_as_a_step_with_the_keys_so_far) {
  for (const int depth : {64, 40, 7}) {
    const Problem p = problem_of({150}, {150}, {2, 1, depth, depth});
    for (const Options& options : bitwise_options()) {
      if (!options.mask.causal) continue;
      const Attended whole = scaled_dot(p.q, p.k, p.v, p.queries, p.keys, options);
      for (int i = 0; i < 150; ++i) {
        const Attended step = scaled_dot(p.q.rows_view(i, 1), p.k.rows_view(0, i + 1), p.v.rows_view(0, i + 1),
                                         Segments::equal(1, 1), Segments::equal(1, i + 1), options);
        ASSERT_EQ(largest_difference(step.out, whole.out.rows_view(i, 1)), 0) << "depth " << depth << " step " << i;
      }
    }
  }
}

// ---- The traps ------------------------------------------------------------------------------------------------------

TEST(ScaledDotTrap, fully_masked_rows_give_zero_zero_gradients_and_minus_infinity) {
  const Problem p = problem_of({4, 2}, {2, 0}, {2, 2, 16, 16});  // causal: queries 0 and 1 see nothing
  for (const Mechanism mechanism : {&scaled_dot, &scaled_dot_definition}) {
    const Results y = run(mechanism, p, {.mask = {.causal = true}});
    for (const int64_t row : {0, 1, 4, 5}) {
      EXPECT_EQ(largest_of(y.all[0].rows_view(row, 1)), 0);
      EXPECT_EQ(largest_of(y.all[2].rows_view(row, 1)), 0);
      EXPECT_EQ(y.all[1].at(2 * row), -INFINITY);
    }
    for (const Tensor& x : {y.all[0], y.all[2], y.all[3], y.all[4]}) {
      for (int64_t i = 0; i < x.elements(); ++i) ASSERT_TRUE(std::isfinite(x.at(i)));
    }
  }
}

TEST(ScaledDotTrap, hidden_nan_and_infinity_do_not_leak_but_those_of_a_query_show) {
  const float bad[] = {NAN, INFINITY, -INFINITY};
  for (const float value : bad) {
    for (const Mechanism mechanism : {&scaled_dot, &scaled_dot_definition}) {
      Problem p = problem_of({20}, {20}, {2, 1, 16, 16});
      const Options options{.mask = {.causal = true}};
      const Results clean = run(mechanism, p, options);
      for (Tensor* x : {&p.k, &p.v}) {
        for (float& element : x->data<float>().subspan(13 * 16, 16)) element = value;  // seen by queries 13 ... 19
      }
      const Results y = run(mechanism, p, options);
      for (const size_t i : {0, 2}) {  // out and dq of queries 0 ... 12
        EXPECT_EQ(largest_difference(y.all[i].rows_view(0, 13), clean.all[i].rows_view(0, 13)), 0) << result_names[i];
      }
      Problem shown = problem_of({20}, {20}, {2, 1, 16, 16});
      shown.q.data<float>()[2 * 2 * 16] = NAN;  // query 2, head 0
      const Results z = run(mechanism, shown, options);
      EXPECT_TRUE(std::isnan(z.all[0].at(2 * 2 * 16)));
      for (const size_t i : {3, 4}) {  // dk, dv of keys 3 ... 19, which query 2 does not see
        EXPECT_EQ(largest_difference(z.all[i].rows_view(3, 17), clean.all[i].rows_view(3, 17)), 0) << result_names[i];
      }
    }
  }
}

TEST(ScaledDotTrap, the_maximum_may_rise_in_every_block_or_tie) {
  Problem p = problem_of({90}, {90}, {1, 1, 16, 16});
  for (int j = 0; j < 90; ++j) {
    for (int c = 0; c < 16; ++c) {
      p.q.data<float>()[j * 16 + c] = 1.0f;
      p.k.data<float>()[j * 16 + c] = 0.25f * static_cast<float>(j);
    }
  }
  expect_as_exact_as_the_definition(p, {}, "rising");
  expect_as_exact_as_the_definition(p, {.mask = {.left = 1, .right = 1}}, "first blocks fully hidden");
  p.k.fill(0.5);
  expect_as_exact_as_the_definition(p, {.mask = {.causal = true}}, "ties");
}

TEST(ScaledDotTrap, scores_of_ten_thousand_stay_as_exact_as_the_definition) {
  Problem p = problem_of({40}, {50}, {2, 2, 16, 16});
  for (float& x : p.q.data<float>()) x *= 10000;
  expect_as_exact_as_the_definition(p, {}, "huge scores");
  expect_as_exact_as_the_definition(p, {.softcap = 30}, "huge scores, softcap");
  expect_as_exact_as_the_definition(p, {.normaliser = Normaliser::sigmoid}, "huge scores, sigmoid");
}

TEST(ScaledDotTrap, dropout_takes_the_same_weights_in_both_kernels_and_under_any_tiling) {
  const int n = 100;
  Problem p = problem_of({n}, {n}, {1, 1, 16, n});
  p.v.fill(0);
  for (int j = 0; j < n; ++j) p.v.data<float>()[j * n + j] = 1.0f;  // out = the weights
  const Options options{.dropout = {0.5, Rng(12)}};
  const Tensor fused = scaled_dot(p.q, p.k, p.v, p.queries, p.keys, options).out;
  const Tensor plain = scaled_dot_definition(p.q, p.k, p.v, p.queries, p.keys, options).out;
  int dropped = 0;
  for (int64_t i = 0; i < fused.elements(); ++i) {
    ASSERT_EQ(fused.at(i) == 0, plain.at(i) == 0);
    dropped += fused.at(i) == 0;
  }
  EXPECT_NEAR(dropped, n * n / 2, 250);  // five standard deviations
}

TEST(ScaledDotTrap, one_very_long_sequence_among_many_short_ones) {
  std::vector<int> lengths(40, 3);
  lengths[17] = 700;
  expect_as_exact_as_the_definition(problem_of(lengths, lengths, {1, 1, 16, 16}), {.mask = {.causal = true}}, "long");
}

}  // namespace
}  // namespace attune::attention
