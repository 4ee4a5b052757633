#include "attune/attention/lsh.h"

#include <gtest/gtest.h>

#include <set>

#include "attune/attention/scaled_dot.h"
#include "attune/ops/op_checks.h"
#include "attune/tensor/storage.h"

namespace attune::attention {
namespace {

using testing::check_op;
using testing::error_of;
using testing::relative_difference;
using testing::same_bits;

using Inputs = std::vector<Tensor>;  // q, v

Tensor draw(const Shape& shape, int stream, DType dtype = DType::float64) {
  return random_tensor(shape, Rng(9).stream(static_cast<uint64_t>(stream)), dtype);
}

Inputs draw_inputs(int64_t rows, int64_t heads, int64_t depth, int64_t values, DType dtype = DType::float64) {
  return {draw({rows, heads, depth}, 0, dtype), draw({rows, heads, values}, 2, dtype)};
}

Segments of(std::vector<int> lengths) {
  return Segments::of_lengths(lengths);
}

Tensor hash(const Tensor& q, const Segments& segments, const LshOptions& options, int64_t draw = 0) {
  const Tensor rotations = lsh_rotations(q.size(1), q.size(2), segments.longest(), Rng(4), draw, options);
  return lsh_buckets(q, segments, rotations, options);
}

// By the hashes of x, whatever comes.
Function attend_by_hashes_of(const Inputs& x, const Segments& segments, const LshOptions& options) {
  const Tensor buckets = hash(x[0], segments, options);
  return [=](auto& y) { return lsh(y[0], y[1], buckets, segments, options); };
}

// Token 0 of a sequence of four sits in bucket 2, and so on.
Tensor buckets_of(const std::vector<std::vector<int32_t>>& by_round) {
  Tensor buckets =
      Tensor::zeros({static_cast<int64_t>(by_round[0].size()), 1, static_cast<int64_t>(by_round.size())}, DType::int32);
  const auto to = buckets.data<int32_t>();
  for (size_t round = 0; round < by_round.size(); ++round) {
    for (size_t i = 0; i < by_round[0].size(); ++i) to[i * by_round.size() + round] = by_round[round][i];
  }
  return buckets;
}

// ---- What it computes -----------------------------------------------------------------------------------------------

// Full attention with k = q / |q| whose diagonal is hidden, if asked, unless it is all there is: output, then gradients
// of q and v.
Inputs full_attention(const Inputs& x, const LshOptions& options) {
  const int64_t length = x[0].size(0), heads = x[0].size(1), depth = x[0].size(2);
  Tensor k = x[0].clone(), allowed = Tensor::full({1, length, length}, 1, DType::boolean);
  for (int64_t i = 0; i < length && !options.sees_itself; ++i) {
    allowed.data<bool>()[static_cast<size_t>(i * length + i)] = false;
  }
  if (options.causal || length == 1) allowed.data<bool>()[0] = true;
  std::vector<double> norms;
  for (int64_t r = 0; r < length * heads; ++r) {
    double square = 0;
    for (int64_t c = 0; c < depth; ++c) square += x[0].at(r * depth + c) * x[0].at(r * depth + c);
    norms.push_back(std::sqrt(square));
    for (int64_t c = 0; c < depth; ++c) k.data<double>()[static_cast<size_t>(r * depth + c)] /= norms.back();
  }
  Options full{.scale = 1};
  full.mask.causal = options.causal;
  full.mask.allowed = allowed;
  const Segments one = Segments::equal(1, static_cast<int>(length));
  auto results =
      testing::run([&](auto& y) { return scaled_dot(y[0], y[1], y[2], one, one, full).out; }, {x[0], k, x[1]});
  const auto dq = results[1].data<double>();
  for (int64_t r = 0; r < length * heads; ++r) {
    double along = 0;
    for (int64_t c = 0; c < depth; ++c) along += k.at(r * depth + c) * results[2].at(r * depth + c);
    for (int64_t c = 0; c < depth; ++c) {
      const int64_t e = r * depth + c;
      dq[static_cast<size_t>(e)] += (results[2].at(e) - k.at(e) * along) / norms[static_cast<size_t>(r)];
    }
  }
  return {results[0], results[1], results[3]};
}

TEST(Lsh, one_chunk_is_full_attention_with_shared_queries_and_keys) {
  for (const int length : {1, 2, 9, 70}) {
    const Segments one = Segments::equal(1, length);
    const auto x = draw_inputs(length, 2, 4, 3);
    for (const LshOptions& form :
         {LshOptions{}, {.causal = true}, {.sees_itself = true}, {.causal = true, .sees_itself = true}}) {
      const auto wanted = full_attention(x, form);
      for (LshOptions options : {LshOptions{.chunk = 0},
                                 {.rounds = 3, .chunk = 70},
                                 {.rounds = 3, .chunk = 70, .count_once = false},
                                 // A chunk and the one before are all there is of two.
                                 {.rounds = 2, .chunk = (length + 1) / 2}}) {
        options.causal = form.causal;
        options.sees_itself = form.sees_itself;
        SCOPED_TRACE(std::to_string(length) + (form.causal ? " causal tokens in chunks of " : " tokens in chunks of ") +
                     std::to_string(options.chunk) + (form.sees_itself ? ", themselves too" : ""));
        const auto found = testing::run(attend_by_hashes_of(x, one, options), x);
        const auto kernel =
            testing::run(attend_by_hashes_of(x, one, options), {x[0].to(DType::float32), x[1].to(DType::float32)});
        for (size_t i = 0; i < wanted.size(); ++i) {
          EXPECT_LT(relative_difference(found[i], wanted[i]), 1e-13) << i;
          EXPECT_LT(relative_difference(kernel[i], wanted[i]), 1e-5) << i;
        }
      }
    }
  }
}

TEST(Lsh, a_token_sees_its_chunk_and_the_one_before_in_sorted_order) {
  // Sorted: 1 3 | 2 5 | 0 4
  const Segments six = Segments::equal(1, 6);
  const LshOptions options{.rounds = 1, .chunk = 2};
  const Tensor buckets = buckets_of({{4, 0, 2, 0, 4, 2}}), q = draw({6, 1, 3}, 0);
  EXPECT_TRUE(same_bits(lsh_chunks(buckets, six, 1, options), buckets_of({{2, 0, 1, 0, 2, 1}})));
  const auto seen = [&](const LshOptions& how) {
    const Tensor weights = lsh_weights(q, buckets, six, 0, how);
    std::vector<std::set<int>> result(6);
    for (int i = 0; i < 36; ++i) {
      if (weights.at(i) != 0) result[static_cast<size_t>(i / 6)].insert(i % 6);
    }
    return result;
  };
  using Sets = std::vector<std::set<int>>;
  EXPECT_EQ(seen(options), (Sets{{2, 4, 5}, {0, 3, 4}, {1, 3, 5}, {0, 1, 4}, {0, 2, 5}, {1, 2, 3}}));
  // Those that see nothing before them see themselves.
  EXPECT_EQ(seen({.causal = true, .rounds = 1, .chunk = 2}), (Sets{{0}, {0}, {1}, {0, 1}, {0, 2}, {1, 2, 3}}));
  EXPECT_EQ(seen({.causal = true, .rounds = 1, .chunk = 2, .sees_itself = true}),
            (Sets{{0}, {0, 1}, {1, 2}, {0, 1, 3}, {0, 2, 4}, {1, 2, 3, 5}}));
}

TEST(Lsh, a_key_counts_once_however_many_rounds_show_it_unless_asked_otherwise) {
  const Segments segments = Segments::equal(1, 23);
  const Tensor q = draw({23, 2, 4}, 0);
  LshOptions options{.rounds = 4, .chunk = 3};
  const Tensor buckets = hash(q, segments, options), chunks = lsh_chunks(buckets, segments, 2, options);
  const Tensor once = lsh_weights(q, buckets, segments, 0, options);
  options.count_once = false;
  const Tensor often = lsh_weights(q, buckets, segments, 0, options);
  int most = 0;
  for (int64_t row = 0; row < 2 * 23; ++row) {
    const int64_t head = row / 23, i = row % 23;
    double sum = 0;
    std::vector<double> counts;
    for (int64_t j = 0; j < 23; ++j) {
      int count = 0;
      for (int64_t r = 0; r < 4 && j != i; ++r) {
        const double own = chunks.at((i * 2 + head) * 4 + r), other = chunks.at((j * 2 + head) * 4 + r);
        count += other == own || other == (own == 0 ? 7 : own - 1) ? 1 : 0;
      }
      counts.push_back(count);
      most = std::max(most, count);
      EXPECT_EQ(count > 0, once.at(row * 23 + j) > 0);
      sum += count * once.at(row * 23 + j);
    }
    for (int64_t j = 0; j < 23; ++j) {
      EXPECT_NEAR(often.at(row * 23 + j), counts[static_cast<size_t>(j)] * once.at(row * 23 + j) / sum, 1e-14);
    }
  }
  EXPECT_GE(most, 3);
}

TEST(Lsh, comes_nearer_to_full_attention_with_every_round) {
  const Segments segments = Segments::equal(1, 512);
  auto x = draw_inputs(512, 1, 16, 8);
  for (double& each : x[0].data<double>()) each *= 2;  // so that few keys have most of the weight
  const Tensor full = lsh(x[0], x[1], {}, segments, {.chunk = 0});
  std::vector<double> errors;
  for (const int rounds : {1, 2, 4, 8}) {
    const LshOptions options{.rounds = rounds, .chunk = 32};
    const Tensor found = lsh(x[0], x[1], hash(x[0], segments, options), segments, options);
    double error = 0;
    for (int64_t e = 0; e < full.elements(); ++e) error += std::fabs(found.at(e) - full.at(e));
    errors.push_back(error);
  }
  for (size_t i = 1; i < errors.size(); ++i) EXPECT_LT(errors[i], 0.9 * errors[i - 1]) << i;
}

// ---- Gradients, precision, bits -------------------------------------------------------------------------------------

TEST(Lsh, definition_and_kernel_have_the_right_gradients) {
  const Segments segments = of({3, 0, 1, 7});
  const auto x = draw_inputs(11, 2, 3, 2);
  for (const bool causal : {false, true}) {
    check_op(attend_by_hashes_of(x, segments, {.causal = causal, .rounds = 2, .chunk = 2}), x);
  }
  check_op(attend_by_hashes_of(x, segments, {.rounds = 3, .chunk = 2, .count_once = false}), x);
  check_op(attend_by_hashes_of(x, segments, {.causal = true, .chunk = 2, .sees_itself = true}), x);
}

TEST(Lsh, kernel_is_as_exact_as_the_definition_around_the_ends_of_chunks_and_blocks) {
  const Segments segments = of({63, 64, 65, 1, 0, 200, 130});
  const auto x = draw_inputs(segments.rows(), 2, 17, 9);
  for (const bool causal : {false, true}) {
    for (const int chunk : {16, 64, 65, 0}) {
      SCOPED_TRACE(std::to_string(chunk) + (causal ? ", causal" : ""));
      check_op(attend_by_hashes_of(x, segments, {.causal = causal, .rounds = 3, .chunk = chunk}), x,
               {.gradients = false});
    }
  }
  check_op(attend_by_hashes_of(x, segments, {.rounds = 4, .chunk = 32, .count_once = false}), x, {.gradients = false});
  check_op(attend_by_hashes_of(x, segments, {.rounds = 3, .chunk = 32, .sees_itself = true}), x, {.gradients = false});
}

TEST(Lsh, a_sequence_has_the_same_bits_alone_as_anywhere_in_a_batch_and_with_any_number_of_threads) {
  const Segments segments = of({17, 1, 150, 64, 0, 65});
  const auto x = draw_inputs(segments.rows(), 3, 16, 16, DType::float32);
  const Tensor seed = draw(x[1].shape(), 3, DType::float32);
  for (const LshOptions& options : {LshOptions{.rounds = 3, .chunk = 16}, {.causal = true, .rounds = 2, .chunk = 8}}) {
    const auto results = [&](const Inputs& given, const Segments& where, const Tensor& dy) {
      Tape tape;
      for (const Tensor& each : given) tape.watch(each);
      const Tensor buckets = hash(given[0], where, options);
      const Tensor y = lsh(given[0], given[1], buckets, where, options);
      const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&dy, 1));
      return Inputs{detach(y), gradients.of(given[0]), gradients.of(given[1]), buckets};
    };
    const auto whole = results(x, segments, seed);
    for (int threads = 1; threads <= 3; ++threads) {
      const testing::Threads limit(threads);
      const auto again = results(x, segments, seed);
      for (size_t i = 0; i < whole.size(); ++i) ASSERT_TRUE(same_bits(again[i], whole[i])) << threads << ' ' << i;
    }
    for (int s = 0; s < segments.count(); ++s) {
      const auto part = [&](const Tensor& each) { return each.rows_view(segments.begin(s), segments.length(s)); };
      const auto alone = results({part(x[0]), part(x[1])}, Segments::equal(1, segments.length(s)), part(seed));
      for (size_t i = 0; i < whole.size(); ++i) ASSERT_TRUE(same_bits(alone[i], part(whole[i]))) << s << ' ' << i;
    }
  }
}

TEST(Lsh, nothing_out_of_keys_that_a_token_does_not_see_reaches_its_output_or_gradient) {
  const Segments segments = Segments::equal(1, 100);
  const auto x = draw_inputs(100, 1, 8, 8, DType::float32);
  const Tensor seed = draw({100, 1, 8}, 3, DType::float32);
  for (const LshOptions& options :
       {LshOptions{.rounds = 2, .chunk = 8}, {.causal = true, .rounds = 2, .chunk = 8}, {.causal = true, .chunk = 0}}) {
    const Tensor buckets = hash(x[0], segments, options);
    const Tensor weights = lsh_weights(x[0], buckets, segments, 0, options);
    const auto results = [&](const Inputs& given) {
      Tape tape;
      for (const Tensor& each : given) tape.watch(each);
      const Tensor y = lsh(given[0], given[1], buckets, segments, options);
      const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&seed, 1));
      return Inputs{detach(y), gradients.of(given[0]), gradients.of(given[1])};
    };
    const auto before = results(x);
    // Who has to do with whom: for a gradient, queries that see one key as well.
    for (const int64_t changed : {40, 99}) {
      for (const double value : {30.0, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
        Inputs other{x[0].clone(), x[1].clone()};
        for (const Tensor& each : other) {
          Tensor row = each.rows_view(changed, 1);
          row.fill(value);
        }
        const auto after = results(other);
        const auto sees = [&](int64_t i, int64_t j) { return i == j || weights.at(i * 100 + j) != 0; };
        for (int64_t i = 0; i < 100; ++i) {
          EXPECT_EQ(same_bits(after[0].rows_view(i, 1), before[0].rows_view(i, 1)), !sees(i, changed)) << i;
          bool concerned = sees(i, changed);
          for (int64_t query = 0; query < 100; ++query) {
            concerned = concerned || (sees(query, i) && sees(query, changed));
          }
          for (const size_t gradient : {1, 2}) {
            if (concerned) continue;
            EXPECT_TRUE(same_bits(after[gradient].rows_view(i, 1), before[gradient].rows_view(i, 1))) << i;
          }
        }
      }
    }
  }
}

TEST(Lsh, a_query_of_length_zero_is_its_own_key) {
  const Segments segments = of({20, 3});
  auto x = draw_inputs(23, 2, 4, 3);
  for (const int64_t i : {0, 5, 6, 22}) {
    Tensor row = x[0].rows_view(i, 1);
    row.fill(0);
  }
  for (const bool causal : {false, true}) {
    const LshOptions options{.causal = causal, .rounds = 2, .chunk = 4};
    check_op(attend_by_hashes_of(x, segments, options), x, {.gradients = false});
    for (const Tensor& each : testing::run(attend_by_hashes_of(x, segments, options), x)) {
      for (int64_t e = 0; e < each.elements(); ++e) ASSERT_TRUE(std::isfinite(each.at(e)));
    }
  }
}

TEST(Lsh, memory_beside_the_result_is_a_few_numbers_a_row_also_of_one_chunk) {
  const testing::Threads one(1);
  const int length = 4096, rounds = 2;
  const Segments segments = Segments::equal(1, length);
  const auto x = draw_inputs(length, 1, 16, 16, DType::float32);
  for (const int chunk : {0, 64}) {
    const LshOptions options{.rounds = rounds, .chunk = chunk};
    const Tensor buckets = hash(x[0], segments, options);
    reset_peak_memory();
    const auto before = memory_use().in_use;
    const Tensor y = lsh(x[0], x[1], buckets, segments, options);
    const auto beside = static_cast<double>(memory_use().peak - before) - y.bytes();
    // Sums and shifts, the order twice for each round; of one chunk its keys and values, the same as products read
    // them, and 64 rows of weights.
    const double of_block = chunk == 0 ? 4.0 * length * 200 : 250'000;
    EXPECT_LT(beside, 4.0 * length * (2 + 2 * rounds) + of_block) << chunk;
  }
}

// ---- Hashes, decoding, errors ---------------------------------------------------------------------------------------

TEST(LshHash, near_vectors_share_a_bucket_more_often_than_others_and_all_buckets_are_in_use) {
  const int64_t rows = 2048;
  const LshOptions options{.rounds = 1, .chunk = 64};
  const Segments segments = Segments::equal(1, rows);
  Tensor q = draw({rows, 1, 16}, 0), longer = q.clone(), near = q.clone();
  const Tensor noise = draw({rows, 1, 16}, 1);
  for (int64_t e = 0; e < q.elements(); ++e) {
    longer.data<double>()[static_cast<size_t>(e)] *= 4;
    near.data<double>()[static_cast<size_t>(e)] += 0.3 * noise.at(e);
  }
  const Tensor buckets = hash(q, segments, options);
  EXPECT_TRUE(same_bits(hash(longer, segments, options), buckets));
  const auto shared = [&](const Tensor& others) {
    int count = 0;
    for (int64_t i = 0; i < rows; ++i) count += others.at(i) == buckets.at(i) ? 1 : 0;
    return count;
  };
  EXPECT_GT(shared(hash(near, segments, options)), rows / 2);
  EXPECT_LT(shared(hash(noise, segments, options)), rows / 16);
  EXPECT_FALSE(same_bits(hash(q, segments, options, 1), buckets));  // another draw
  std::set<double> used;
  for (int64_t i = 0; i < rows; ++i) used.insert(buckets.at(i));
  EXPECT_GE(static_cast<int>(used.size()), lsh_bucket_count(rows, options) * 9 / 10);
}

TEST(LshHash, buckets_are_two_a_chunk_and_take_more_digits_where_they_are_many) {
  EXPECT_EQ(lsh_bucket_count(64, {.chunk = 64}), 2);
  EXPECT_EQ(lsh_bucket_count(65, {.chunk = 64}), 4);
  EXPECT_EQ(lsh_bucket_count(2048, {.chunk = 64}), 64);
  EXPECT_EQ(lsh_bucket_count(2049, {.chunk = 64}), 10 * 10);
  EXPECT_EQ(lsh_bucket_count(65'536, {.chunk = 64}), 46 * 46);
  EXPECT_EQ(lsh_bucket_count(1 << 20, {.chunk = 16}), 52 * 52 * 52);
  // Shorter sequences take the leading columns of a rotation for longer ones, new tokens those of their length.
  const LshOptions options{.rounds = 2, .chunk = 4};
  const Tensor q = draw({40, 2, 6}, 0, DType::float32);
  const Tensor large = lsh_rotations(2, 6, 400, Rng(4), 0, options);
  const Segments five = of({35, 5});
  const Tensor buckets = lsh_buckets(q, five, large, options);
  EXPECT_TRUE(same_bits(buckets, hash(q, five, options)));
  EXPECT_TRUE(same_bits(lsh_buckets(q.rows_view(35, 5), 5, large, options), buckets.rows_view(35, 5)));
  EXPECT_TRUE(same_bits(lsh_buckets(q.rows_view(7, 20), 35, large, options), buckets.rows_view(7, 20)));
}

TEST(Lsh, the_last_token_alone_has_the_bits_that_it_has_in_the_whole) {
  const auto x = draw_inputs(2 * 70, 2, 8, 5, DType::float32);
  const LshOptions options{.causal = true, .rounds = 3, .chunk = 8};
  for (const int length : {1, 2, 8, 9, 16, 17, 40, 70}) {
    // Of caches that have room for more.
    const Segments segments = Segments::at({0, 70}, {length, length}, 140);
    const Tensor buckets = hash(x[0], segments, options);
    const Tensor whole = lsh(x[0], x[1], buckets, segments, options);
    const Tensor last = lsh_last(x[0], x[1], buckets, segments, options);
    ASSERT_EQ(last.shape(), (Shape{2, 2, 5}));
    for (int s = 0; s < 2; ++s) {
      EXPECT_TRUE(same_bits(last.rows_view(s, 1), whole.rows_view(s * 70 + length - 1, 1))) << length;
    }
  }
}

TEST(Lsh, says_what_does_not_fit) {
  const auto x = draw_inputs(8, 2, 3, 2);
  const Segments eight = Segments::equal(1, 8);
  const LshOptions options{.rounds = 2, .chunk = 2};
  const auto said = [&](const Inputs& y, const Tensor& buckets, const LshOptions& how) {
    return error_of([&] { lsh(y[0], y[1], buckets, eight, how); });
  };
  const Tensor buckets = hash(x[0], eight, options);
  const auto found = [&](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  found(said({x[0], draw({8, 1, 2}, 0)}, buckets, options), "of the same tokens and heads");
  found(said({x[0], x[1].to(DType::float32)}, buckets, options), "expected one type");
  found(said(x, hash(x[0], eight, {.rounds = 3, .chunk = 2}), options), "buckets [8, 2, 3], expected int32 [8, 2, 2]");
  found(said(x, hash(x[0], eight, {.rounds = 2, .chunk = 1}), options), "expected 0 ... 7");
  found(said(x, buckets, {.rounds = 0}), "0 rounds");
  found(error_of([&] { lsh_buckets(x[0], eight, lsh_rotations(2, 3, 2, Rng(1), 0, options), options); }),
        "columns of a rotation, it has");
}

}  // namespace
}  // namespace attune::attention
