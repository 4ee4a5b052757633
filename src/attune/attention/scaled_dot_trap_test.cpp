// The numeric traps of attention kernels, one test each.
#include "attune/attention/scaled_dot_checks_test.h"

namespace attune::attention {
namespace {

using namespace testing;

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

TEST(ScaledDotTrap, a_key_that_all_queries_skip_between_others_does_not_leak_either) {
  Problem p = problem_of({20}, {20}, {2, 1, 16, 16});
  Options options{.mask = {.allowed = Tensor::full({1, 20, 20}, 1, DType::boolean)}};
  for (int i = 0; i < 20; ++i) options.mask.allowed.pointer<bool>()[i * 20 + 13] = false;
  const Results clean = run(scaled_dot, p, options);
  for (Tensor* x : {&p.k, &p.v}) {
    for (float& element : x->data<float>().subspan(13 * 16, 16)) element = NAN;
  }
  const Results y = run(scaled_dot, p, options);
  for (const size_t i : {0, 2, 3, 4}) {
    EXPECT_EQ(largest_difference(y.all[i], clean.all[i]), 0) << result_names[i];
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
