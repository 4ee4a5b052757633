// Over the table of mechanisms that read a source, global and local: gradients, float32 against the definition, bits.
#include "attune/attention/source_read.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "attune/attention/additive.h"
#include "attune/attention/dot.h"
#include "attune/attention/local.h"
#include "attune/attention/location.h"
#include "attune/attention/scaled_dot.h"
#include "attune/ops/op_checks.h"
#include "attune/ops/reshape.h"

namespace attune::attention {
namespace {

using testing::check_op;
using testing::error_of;
using testing::same_bits;

// inputs: query, key, vector, value, share of local-p; each mechanism takes those it has
struct Case {
  std::string name;
  std::function<SourceRead(const std::vector<Tensor>& x, const ReadOptions& options)> read;
};

std::vector<Case> mechanisms() {
  return {{"additive", [](auto& x, auto& options) { return additive(x[0], x[1], x[2], x[3], options); }},
          {"dot", [](auto& x, auto& options) { return dot(x[0], x[1], x[3], options); }},
          {"location", [](auto& x, auto& options) { return location(x[0], x[3], options); }}};
}

constexpr const char* windows[] = {"global", "local-m", "local-p", "window without a Gaussian"};

ReadOptions options_of(std::string_view window, const Segments& queries, const Segments& keys, const Tensor& share) {
  ReadOptions options{queries, keys, {}};
  if (window == "local-m") {
    options.window = {monotonic_centre(queries, keys, 1, share.dtype()), 2, false};
  } else if (window != "global") {
    options.window = {predicted_centre(share, queries, keys), 2, window == "local-p"};
  }
  return options;
}

// depth 7 also is the number of positions; depth and width are no multiples of any vector
struct Sizes {
  std::vector<int> queries{2, 1, 0, 3}, keys{7, 1, 4, 5, 6};
  int64_t depth = 7, width = 5;
};

std::vector<Tensor> inputs_of(const Sizes& sizes) {
  const int64_t queries = Segments::of_lengths(sizes.queries).rows(), keys = Segments::of_lengths(sizes.keys).rows();
  std::vector<Tensor> x{random_tensor({queries, sizes.depth}, Rng(1)), random_tensor({keys, sizes.depth}, Rng(2)),
                        random_tensor({sizes.depth}, Rng(3)), random_tensor({keys, sizes.width}, Rng(4)),
                        random_tensor({queries, 1}, Rng(5))};
  for (double& share : x[4].data<double>()) share = 1 / (1 + std::exp(-share));
  return x;
}

Function context_of(const Case& mechanism, std::string_view window, const Sizes& sizes) {
  const Segments queries = Segments::of_lengths(sizes.queries), keys = Segments::of_lengths(sizes.keys);
  return [=](std::vector<Tensor>& x) { return mechanism.read(x, options_of(window, queries, keys, x[4])).context; };
}

TEST(SourceRead, has_the_gradients_of_finite_differences_and_float32_follows_the_definition) {
  for (const Case& mechanism : mechanisms()) {
    for (const char* window : windows) {
      SCOPED_TRACE(mechanism.name + ", " + window);
      const Sizes small;
      check_op(context_of(mechanism, window, small), inputs_of(small));
      const Sizes large{{1, 1, 1, 1, 1, 1}, {19, 40, 3, 33, 17, 16}, 70, 83};  // several vectors and a rest
      check_op(context_of(mechanism, window, large), inputs_of(large), {.gradients = false});
    }
  }
}

TEST(SourceRead, keys_that_are_the_values_get_both_gradients) {
  const Segments queries = Segments::of_lengths(std::vector{2, 1}), keys = Segments::of_lengths(std::vector{3, 2});
  const std::vector<Tensor> x{random_tensor({3, 4}, Rng(1)), random_tensor({5, 4}, Rng(2))};
  check_op([&](std::vector<Tensor>& in) { return dot(in[0], in[1], in[1], {queries, keys}).context; }, x);
}

TEST(SourceRead, a_query_has_the_same_bits_alone_as_in_a_batch) {
  const Sizes sizes{{1, 2, 1}, {19, 40, 33}, 70, 83};
  const Segments queries = Segments::of_lengths(sizes.queries), keys = Segments::of_lengths(sizes.keys);
  std::vector<Tensor> x;
  for (const Tensor& exact : inputs_of(sizes)) x.push_back(exact.to(DType::float32));
  for (const Case& mechanism : mechanisms()) {
    for (const char* window : windows) {
      SCOPED_TRACE(mechanism.name + ", " + window);
      const SourceRead all = mechanism.read(x, options_of(window, queries, keys, x[4]));
      for (int s = 0; s < queries.count(); ++s) {
        for (int i = 0; i < queries.length(s); ++i) {
          if (std::string_view(window) == "local-m" && i > 0) {
            continue;  // alone it would be the first of its target
          }
          const int64_t row = queries.begin(s) + i;
          const auto source = [&](int n) { return x[static_cast<size_t>(n)].rows_view(keys.begin(s), keys.length(s)); };
          const std::vector<Tensor> alone{x[0].rows_view(row, 1), source(1), x[2], source(3), x[4].rows_view(row, 1)};
          const SourceRead one = mechanism.read(
              alone, options_of(window, Segments::equal(1, 1), Segments::equal(1, keys.length(s)), alone[4]));
          EXPECT_TRUE(same_bits(one.context, all.context.rows_view(row, 1))) << row;
          EXPECT_TRUE(same_bits(one.weights, all.weights.rows_view(row, 1).columns_view(0, keys.length(s)))) << row;
        }
      }
    }
  }
}

TEST(SourceRead, equals_scaled_dot_with_scale_one) {
  const Segments queries = Segments::of_lengths(std::vector{3, 2}), keys = Segments::of_lengths(std::vector{20, 5});
  const Tensor q = random_tensor({5, 24}, Rng(1), DType::float32), k = random_tensor({25, 24}, Rng(2), DType::float32),
               v = random_tensor({25, 30}, Rng(3), DType::float32);
  const Tensor expected = reshape(scaled_dot(reshape(q, {5, 1, 24}), reshape(k, {25, 1, 24}), reshape(v, {25, 1, 30}),
                                             queries, keys, {.scale = 1.0})
                                      .out,
                                  {5, 30});
  EXPECT_LT(testing::relative_difference(dot(q, k, v, {queries, keys}).context, expected), 1e-5);
}

// papers.md 1.2: e = (2, 0.5, 1), h = (1, 0), (0, 1), (1, 1) gives a = (0.629, 0.140, 0.231), c = (0.860, 0.371)
TEST(SourceRead, check_vector_of_bahdanau) {
  const Tensor scores = Tensor::of<double>({1, 3}, {2, 0.5, 1}), h = Tensor::of<double>({3, 2}, {1, 0, 0, 1, 1, 1});
  const ReadOptions options{Segments::equal(1, 1), Segments::equal(1, 3), {}};
  for (const DType type : {DType::float64, DType::float32}) {
    // The same scores from each mechanism: as they are, from products with unit keys, from tanh(atanh(e / 4)) * 4.
    Tensor unit = Tensor::zeros({3, 3}, DType::float64), arguments = Tensor::zeros({3, 1}, DType::float64);
    for (int j = 0; j < 3; ++j) {
      unit.data<double>()[static_cast<size_t>(4 * j)] = 1;
      arguments.data<double>()[static_cast<size_t>(j)] = std::atanh(scores.at(j) / 4);
    }
    const Tensor value = h.to(type);
    for (const SourceRead& read :
         {location(scores.to(type), value, options), dot(scores.to(type), unit.to(type), value, options),
          additive(Tensor::zeros({1, 1}, type), arguments.to(type), Tensor::full({1}, 4, type), value, options)}) {
      const double weights[] = {0.629, 0.140, 0.231}, context[] = {0.860, 0.371};
      for (int j = 0; j < 3; ++j) EXPECT_NEAR(read.weights.at(j), weights[j], 5e-4);
      for (int c = 0; c < 2; ++c) EXPECT_NEAR(read.context.at(c), context[c], 6e-4);
    }
  }
}

TEST(SourceRead, a_vector_of_zeros_attends_uniformly) {
  const Segments queries = Segments::equal(2, 1), keys = Segments::of_lengths(std::vector{5, 3});
  const Tensor q = random_tensor({2, 4}, Rng(1), DType::float32), k = random_tensor({8, 4}, Rng(2), DType::float32);
  const SourceRead read = additive(q, k, Tensor::zeros({4}), k, {queries, keys});
  for (int s = 0; s < 2; ++s) {
    for (int j = 0; j < keys.length(s); ++j)
      EXPECT_EQ(read.weights.at(5 * s + j), 1.0F / static_cast<float>(keys.length(s)));
  }
  EXPECT_EQ(read.weights.at(5 + 3), 0);
}

TEST(SourceRead, windows_are_inclusive_on_both_sides_and_never_leave_the_source) {
  const Segments queries = Segments::equal(1, 1), keys = Segments::equal(1, 9);
  const Tensor scores = Tensor::zeros({1, 9}), value = Tensor::zeros({9, 1});
  const auto weights = [&](float centre, bool gaussian) {
    return location(scores, value, {queries, keys, {Tensor::of<float>({1}, {centre}), 2, gaussian}}).weights;
  };
  const Tensor middle = weights(4, false), edge = weights(0, false), between = weights(4.5F, false);
  for (int j = 0; j < 9; ++j) {
    EXPECT_FLOAT_EQ(static_cast<float>(middle.at(j)), j >= 2 && j <= 6 ? 0.2F : 0.0F) << j;
    EXPECT_FLOAT_EQ(static_cast<float>(edge.at(j)), j <= 2 ? 1.0F / 3 : 0.0F) << j;
    EXPECT_FLOAT_EQ(static_cast<float>(between.at(j)), j >= 3 && j <= 6 ? 0.25F : 0.0F) << j;
  }
  const Tensor weighed = weights(4, true);  // sigma = 1, and no normalising after it
  for (int j = 2; j <= 6; ++j) EXPECT_NEAR(weighed.at(j), 0.2 * std::exp(-0.5 * (j - 4) * (j - 4)), 1e-6);
  const Tensor far = monotonic_centre(queries, keys, 40, DType::float32);
  EXPECT_EQ(far.at(0), 8);  // a target longer than its source stays at the end
}

TEST(SourceRead, empty_batches_and_empty_sources_give_zeros) {
  const Tensor none = Tensor::zeros({0, 4});
  EXPECT_EQ(dot(none, none, none, {Segments(), Segments(), {}}).context.rows(), 0);
  const SourceRead read = dot(Tensor::full({1, 4}, 1), none, none, {Segments::equal(1, 1), Segments::equal(1, 0), {}});
  for (int c = 0; c < 4; ++c) EXPECT_EQ(read.context.at(c), 0);
}

TEST(SourceRead, says_what_does_not_fit) {
  const Segments queries = Segments::equal(2, 1), keys = Segments::equal(2, 3);
  const Tensor q = Tensor::zeros({2, 4}), k = Tensor::zeros({6, 4}), narrow = Tensor::zeros({6, 3});
  const auto expect = [](const std::string& message, const auto& call) {
    EXPECT_NE(error_of(call).find(message), std::string::npos) << error_of(call);
  };
  expect("dot: queries [6, 4], expected [2, depth]", [&] { dot(k, k, k, {queries, keys}); });
  expect("dot: keys [6, 3], expected [6, 4]", [&] { dot(q, narrow, k, {queries, keys}); });
  expect("dot: values [2, 4], expected [6, width]", [&] { dot(q, k, q, {queries, keys}); });
  expect("additive: the vector is [3], expected [4]", [&] { additive(q, k, Tensor::zeros({3}), k, {queries, keys}); });
  expect("location: scores for 2 positions, but a source has 3 tokens", [&] {
    location(Tensor::zeros({2, 2}), k, {queries, keys});
  });
  expect("dot: queries of 2 sequences, but only 1 sources", [&] {
    dot(q, k.rows_view(0, 3), k.rows_view(0, 3), {queries, Segments::equal(1, 3)});
  });
  expect("dot: the window reaches 0, expected 1 or more", [&] {
    dot(q, k, k, {queries, keys, {Tensor::zeros({2}), 0, false}});
  });
  expect("dot: queries are float32, other inputs float64", [&] {
    dot(q, Tensor::zeros({6, 4}, DType::float64), k, {queries, keys});
  });
  const Segments shared = Segments::at({0, 0}, {3, 3}, 3);
  Tape tape;
  const Tensor watched = Tensor::zeros({2, 4});
  tape.watch(watched);
  expect("dot: the backward needs disjoint sources", [&] {
    dot(watched, k.rows_view(0, 3), k.rows_view(0, 3), {queries, shared});
  });
}

}  // namespace
}  // namespace attune::attention
