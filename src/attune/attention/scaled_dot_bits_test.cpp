// Bit for bit equality under any number of threads and any batching.
#include "attune/attention/scaled_dot_checks_test.h"

namespace attune::attention {
namespace {

using namespace testing;

std::vector<Options> bitwise_options() {
  return {{},
          {.mask = {.causal = true}},
          {.mask = {.causal = true, .left = 7}},
          {.mask = {.causal = true}, .normaliser = Normaliser::sigmoid}};
}

void expect_the_same_bits(const Problem& p, const Options& options) {
  set_threads(1);
  const Results one = run(scaled_dot, p, options);
  for (const int threads : {1, 2, 3}) {
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

TEST(ScaledDotFused, has_the_same_bits_with_any_number_of_threads_and_again) {
  const Problem p =
      problem_of({5, 300, 1, 24, 24, 60, 130, 0, 77}, {5, 300, 9, 24, 30, 61, 130, 3, 77}, {4, 2, 64, 64});
  const Problem single = problem_of({300}, {500}, {2, 1, 40, 24});  // fewer (sequence, kv head) than threads
  for (Options options : bitwise_options()) {
    options.dropout = {0.1, Rng(3)};
    expect_the_same_bits(p, options);
    expect_the_same_bits(single, options);
  }
  const auto draw = [](const Shape& shape) { return random_tensor(shape, Rng(17), DType::float32); };
  expect_the_same_bits(p, with_bias({}, DenseBias{draw({4, 300, 300})}));
  expect_the_same_bits(p, with_bias({}, DenseBias{draw({1, 300, 300})}));
  expect_the_same_bits(p, with_bias({}, Slopes{draw({4})}));
  expect_the_same_bits(single, with_bias({}, Buckets{draw({2, 32}), 100, true}));
  expect_the_same_bits(p, with_bias({}, Offsets{draw({4, 99}), true}));
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

}  // namespace
}  // namespace attune::attention
