// A few queries a sequence against many keys: rows are weighed in spans of 1,024 keys and merged, on any thread.
#include "attune/attention/scaled_dot_checks_test.h"

namespace attune::attention {
namespace {

using namespace testing;

const std::vector<int> around_spans{1023, 1024, 1025, 2047, 2049, 3100, 5, 0};

Problem decoding(const std::vector<int>& keys, const Depths& depths, int queries = 1) {
  return problem_of(std::vector<int>(keys.size(), queries), keys, depths);
}

TEST(ScaledDotDecoding, is_as_exact_as_the_definition_around_the_ends_of_spans) {
  for (const int kv_heads : {1, 2, 8}) {
    for (const int depth : {64, 40, 7}) {
      const Problem p = decoding(around_spans, {8, kv_heads, depth, depth});
      expect_as_exact_as_the_definition(p, {}, "kv heads " + std::to_string(kv_heads));
    }
  }
  const Problem p = decoding(around_spans, {4, 2, 24, 32}, 3);
  for (const auto normaliser : {Normaliser::relu_mean, Normaliser::relu_sum, Normaliser::sigmoid}) {
    expect_as_exact_as_the_definition(p, {.normaliser = normaliser}, std::string(name_of(normaliser)));
  }
  expect_as_exact_as_the_definition(p, {.mask = {.causal = true, .left = 1500}}, "band over three spans");
  expect_as_exact_as_the_definition(p, {.dropout = {0.2, Rng(4)}}, "dropout");
}

TEST(ScaledDotDecoding, skips_spans_that_a_mask_hides_whatever_they_hold) {
  const int keys = 3000;
  Problem p = decoding({keys}, {2, 1, 16, 16}, 2);
  Tensor allowed = Tensor::zeros({1, 2, keys}, DType::boolean);
  for (int j = 1100; j < 1200; ++j) allowed.data<bool>()[static_cast<size_t>(j)] = true;  // query 1 sees nothing
  const Options options{.mask = {.allowed = allowed}};
  expect_as_exact_as_the_definition(p, options, "one span of three");
  const Tensor clean = scaled_dot(p.q, p.k, p.v, p.queries, p.keys, options).out;
  for (Tensor* x : {&p.k, &p.v}) {
    for (const int64_t key : {0, 1023, 1099, 1200, 2048, 2999}) {
      for (float& element : x->data<float>().subspan(static_cast<size_t>(key) * 16, 16)) element = NAN;
    }
  }
  EXPECT_EQ(largest_difference(scaled_dot(p.q, p.k, p.v, p.queries, p.keys, options).out, clean), 0);
}

TEST(ScaledDotDecoding, has_the_same_bits_in_any_batch_and_with_any_number_of_threads) {
  for (const int kv_heads : {1, 2, 8}) {
    const Problem p = decoding(around_spans, {8, kv_heads, 64, 64});
    for (const Options& options : {Options{}, Options{.mask = {.left = 1700}}}) {
      set_threads(1);
      const Attended one = scaled_dot(p.q, p.k, p.v, p.queries, p.keys, options);
      for (const int threads : {2, 3}) {
        set_threads(threads);
        const Attended many = scaled_dot(p.q, p.k, p.v, p.queries, p.keys, options);
        EXPECT_EQ(largest_difference(one.out, many.out), 0);
        EXPECT_EQ(largest_difference(one.log_sum_exp, many.log_sum_exp), 0);
      }
      for (int s = 0; s < p.keys.count(); ++s) {
        const Attended alone = scaled_dot(p.q.rows_view(s, 1), p.k.rows_view(p.keys.begin(s), p.keys.length(s)),
                                          p.v.rows_view(p.keys.begin(s), p.keys.length(s)), Segments::equal(1, 1),
                                          Segments::equal(1, p.keys.length(s)), options);
        EXPECT_EQ(largest_difference(alone.out, one.out.rows_view(s, 1)), 0) << "sequence " << s;
      }
    }
  }
  set_threads(0);
}

TEST(ScaledDotDecoding, gives_the_last_rows_of_a_long_causal_pass_bit_for_bit) {
  const int n = 2300;
  for (const int kv_heads : {1, 2}) {
    const Problem p = problem_of({n}, {n}, {2, kv_heads, 16, 16});
    const Options options{.mask = {.causal = true}};
    const Tensor whole = scaled_dot(p.q, p.k, p.v, p.queries, p.keys, options).out;
    for (const int i : {0, 1000, 1023, 1024, 1025, 2047, 2048, n - 1}) {
      const Tensor step = scaled_dot(p.q.rows_view(i, 1), p.k.rows_view(0, i + 1), p.v.rows_view(0, i + 1),
                                     Segments::equal(1, 1), Segments::equal(1, i + 1), options)
                              .out;
      EXPECT_EQ(largest_difference(step, whole.rows_view(i, 1)), 0) << "step " << i;
    }
  }
}

}  // namespace
}  // namespace attune::attention
