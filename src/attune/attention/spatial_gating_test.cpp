#include "attune/attention/spatial_gating.h"

#include <gtest/gtest.h>

#include "attune/attention/spatial_gating_definition.h"
#include "attune/ops/op_checks.h"

namespace attune::attention {
namespace {

using testing::check_op;
using testing::error_of;
using testing::relative_difference;
using testing::same_bits;

struct Form {
  Gate gate = Gate::split;
  bool causal = false, toeplitz = false, addend = false;
  int64_t heads = 1;
  std::string text() const {
    return "gate " + std::to_string(static_cast<int>(gate)) + (causal ? ", causal" : "") +
           (toeplitz ? ", toeplitz" : "") + (addend ? ", addend" : "") + ", heads " + std::to_string(heads);
  }
};

std::vector<Form> forms() {
  std::vector<Form> list;
  for (const Gate gate : {Gate::split, Gate::multiplicative, Gate::additive, Gate::linear}) {
    for (const bool causal : {false, true}) {
      list.push_back({.gate = gate, .causal = causal});
      list.push_back({.gate = gate, .causal = causal, .toeplitz = true, .addend = true, .heads = 2});
    }
  }
  list.push_back({.addend = true, .heads = 3});
  list.push_back({.toeplitz = true});
  return list;
}

// z of six channels a gate, and so on, of standard normals.
std::vector<Tensor> inputs_of(const Form& form, int64_t rows, int64_t n, DType dtype = DType::float64,
                              int64_t channels = 6) {
  const auto draw = [&](const Shape& shape, int stream) {
    return random_tensor(shape, Rng(9).stream(static_cast<uint64_t>(stream)), dtype);
  };
  const int64_t whole = form.gate == Gate::split ? 2 * channels : channels;
  std::vector<Tensor> list{draw({rows, whole}, 0), draw({channels}, 1), draw({channels}, 2),
                           draw(form.toeplitz ? Shape{form.heads, 2 * n - 1} : Shape{form.heads, n, n}, 3),
                           draw({form.heads, n}, 4)};
  if (form.addend) list.push_back(draw({rows, channels}, 5));
  return list;
}

SpatialGatingInputs named(const std::vector<Tensor>& x) {
  return {x[0], x[1], x[2], x[3], x[4], x.size() > 5 ? x[5] : Tensor()};
}

SpatialGatingOptions options_of(const Form& form) {
  return {.gate = form.gate, .causal = form.causal, .epsilon = 0.1};  // large, so that its place matters
}

TEST(SpatialGating, definition_and_kernel_have_the_right_gradients_in_every_form) {
  const Segments segments = Segments::of_lengths(std::vector<int>{3, 0, 1, 4});
  for (const Form& form : forms()) {
    SCOPED_TRACE(form.text());
    check_op([&](auto& x) { return spatial_gating(named(x), segments, options_of(form)); }, inputs_of(form, 8, 5));
  }
}

TEST(SpatialGating, is_the_papers_equation_by_hand) {
  // Two tokens of channels (a, b | 1, -1) and (c, d | 3, -3): LN of the gate gives (1, -1) for both, but for epsilon.
  const auto matrix = [](const Shape& shape, std::initializer_list<double> values) {
    return Tensor::of<double>(shape, values);
  };
  const SpatialGatingInputs in{matrix({2, 4}, {5, 7, 1, -1, 11, 13, 3, -3}), matrix({2}, {1, 2}), matrix({2}, {0, 10}),
                               matrix({1, 2, 2}, {2, 3, 100, 0.5}), matrix({1, 2}, {0.25, 0.75})};
  const Segments both = Segments::equal(1, 2), alone = Segments::equal(2, 1);
  // N = (1, 8) for each token. G_1 = 5 N + 0.25, G_2 = 100.5 N + 0.75
  const auto expect = [](const Tensor& found, const std::vector<double>& wanted) {
    for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(found.at(static_cast<int64_t>(i)), wanted[i], 1e-9) << i;
  };
  const double none = 1e-13;
  expect(spatial_gating(in, both, {.epsilon = none}), {5 * 5.25, 7 * 40.25, 11 * 101.25, 13 * 804.75});
  // The second sees the first, not the other way.
  expect(spatial_gating(in, both, {.causal = true, .epsilon = none}), {5 * 2.25, 7 * 16.25, 11 * 101.25, 13 * 804.75});
  // Sequences of one token take the leading part: W_11 and b_1.
  expect(spatial_gating(in, alone, {.epsilon = none}), {5 * 2.25, 7 * 16.25, 11 * 2.25, 13 * 16.25});
  // Offsets -1, 0, 1.
  SpatialGatingInputs toeplitz = in;
  toeplitz.weight = matrix({1, 3}, {100, 2, 3});
  expect(spatial_gating(toeplitz, both, {.epsilon = none}), {5 * 5.25, 7 * 40.25, 11 * 102.75, 13 * 816.75});
}

TEST(SpatialGating, a_sequence_has_the_same_bits_alone_as_anywhere_in_a_batch) {
  for (const int64_t channels : {6, 72}) {
    for (const DType compute : {DType::float32, DType::bfloat16}) {
      for (const Form& form : forms()) {
        const std::vector<int> lengths{17, 1, 150, 17, 33, 0, 200};
        const Segments segments = Segments::of_lengths(lengths);
        const auto x = inputs_of(form, segments.rows(), 200, DType::float32, channels);
        SpatialGatingOptions options = options_of(form);
        options.compute = compute;
        const auto with_seed = [&](const std::vector<Tensor>& given, const Segments& where, const Tensor& seed) {
          Tape tape;
          tape.watch(given[0]);
          const Tensor y = spatial_gating(named(given), where, options);
          const Gradients gradients = tape.backward(std::span(&y, 1), std::span(&seed, 1));
          return std::pair(detach(y), gradients.of(given[0]));
        };
        const Tensor seed = random_tensor({segments.rows(), channels}, Rng(3), DType::float32);
        const auto [whole, gradient] = with_seed(x, segments, seed);
        for (int s = 0; s < segments.count(); ++s) {
          const int64_t begin = segments.begin(s), length = segments.length(s);
          auto part = x;
          part[0] = x[0].rows_view(begin, length);
          if (form.addend) part[5] = x[5].rows_view(begin, length);
          const auto [single, of_single] =
              with_seed(part, Segments::equal(1, segments.length(s)), seed.rows_view(begin, length));
          ASSERT_TRUE(same_bits(single, whole.rows_view(begin, length))) << form.text() << ", sequence " << s;
          ASSERT_TRUE(same_bits(of_single, gradient.rows_view(begin, length))) << form.text() << ", sequence " << s;
        }
      }
    }
  }
}

TEST(SpatialGating, threads_change_no_bit_and_long_sequences_are_as_exact_as_the_definition) {
  const Segments segments = Segments::of_lengths(std::vector<int>{196, 129, 127, 128});
  for (Form form : {Form{}, Form{.causal = true}, Form{.causal = true, .toeplitz = true, .addend = true, .heads = 2}}) {
    SCOPED_TRACE(form.text());
    auto x = inputs_of(form, segments.rows(), 196, DType::float64, 128);
    for (double& value : x[3].data<double>()) value *= 0.1;
    check_op([&](auto& given) { return spatial_gating(named(given), segments, options_of(form)); }, x,
             {.single_tolerance = 1e-5, .gradients = false});
  }
}

TEST(SpatialGating, bfloat16_rounds_the_operands_of_products_alone) {
  const Segments segments = Segments::of_lengths(std::vector<int>{40, 7});
  for (const Form& form : forms()) {
    SCOPED_TRACE(form.text());
    auto x = inputs_of(form, 47, 40, DType::float32, 64 * form.heads);
    for (float& value : x[3].data<float>()) value *= 0.1F;
    SpatialGatingOptions rounded = options_of(form);
    rounded.compute = DType::bfloat16;
    const auto run = [&](const SpatialGatingOptions& options) {
      return testing::run([&](auto& given) { return spatial_gating(named(given), segments, options); }, x);
    };
    const auto exact = run(options_of(form)), found = run(rounded);
    std::vector<Tensor> alone;
    {
      const testing::Threads one(1);
      alone = run(rounded);
    }
    for (size_t i = 0; i < exact.size(); ++i) {
      EXPECT_TRUE(same_bits(found[i], alone[i])) << i << " with one thread";
    }
    for (size_t i = 0; i < exact.size(); ++i) {
      EXPECT_LT(relative_difference(found[i], exact[i]), 0.01) << i;
      EXPECT_GT(relative_difference(found[i], exact[i]), i == 5 || i == 6 ? -1 : 1e-6) << i;
    }
    rounded.result = DType::bfloat16;
    EXPECT_EQ(spatial_gating(named(x), segments, rounded).dtype(), DType::bfloat16);
  }
}

// Narrow and wide, short and long, as products divide themselves among threads by their sizes.
TEST(SpatialGating, threads_change_no_bit_at_any_size) {
  for (const DType compute : {DType::float32, DType::bfloat16}) {
    for (const int64_t channels : {8, 16, 96, 768}) {
      for (const int length : {3, 9, 16, 31, 64, 130}) {
        for (const Form& form : {Form{}, Form{.causal = true}}) {
          const Segments segments = Segments::equal(3, length);
          const auto x = inputs_of(form, segments.rows(), length, DType::float32, channels);
          SpatialGatingOptions options = options_of(form);
          options.compute = compute;
          const auto run = [&](int threads) {
            const testing::Threads limit(threads);
            return testing::run([&](auto& given) { return spatial_gating(named(given), segments, options); }, x);
          };
          const auto one = run(1), two = run(2), three = run(3);
          for (size_t i = 0; i < one.size(); ++i) {
            ASSERT_TRUE(same_bits(one[i], two[i]) && same_bits(one[i], three[i]))
                << name_of(compute) << ", " << channels << " channels, " << length << " tokens, result " << i;
          }
        }
      }
    }
  }
}

TEST(SpatialGating, steps_are_the_rows_of_the_whole_causal_pass) {
  for (const Form& form : forms()) {
    if (!form.causal) continue;
    SCOPED_TRACE(form.text());
    const int rows = 3, length = 5;
    const Segments segments = Segments::equal(rows, length);
    const auto x = inputs_of(form, rows * length, 6, DType::float32);
    const SpatialGatingOptions options = options_of(form);
    const Tensor whole = spatial_gating(named(x), segments, options);
    const Tensor gates = normalised_gate(named(x), options);
    for (int t = 0; t < length; ++t) {
      auto here = x;
      for (const size_t i : {size_t{0}, size_t{5}}) {
        if (i >= x.size()) continue;
        here[i] = Tensor::empty({rows, x[i].columns()});
        for (int row = 0; row < rows; ++row) {
          here[i].rows_view(row, 1).copy_from(x[i].rows_view(row * length + t, 1));
        }
      }
      const Segments past = Segments::at({0, length, 2 * length}, std::vector<int>(rows, t + 1), rows * length);
      const Tensor y = spatial_gating_step(named(here), gates, past, options);
      for (int row = 0; row < rows; ++row) {
        EXPECT_LT(relative_difference(y.rows_view(row, 1), whole.rows_view(row * length + t, 1)), 1e-6) << t;
      }
    }
  }
}

TEST(SpatialGating, says_what_does_not_fit) {
  const Form form{};
  const Segments segments = Segments::equal(2, 4);
  const auto said = [&](auto&& change) {
    auto x = inputs_of(form, 8, 4);
    change(x);
    return error_of([&] { spatial_gating(named(x), segments, {}); });
  };
  EXPECT_EQ(said([](auto& x) {
              x[3] = Tensor::zeros({1, 3, 3}, DType::float64), x[4] = Tensor::zeros({1, 3}, DType::float64);
            }),
            "spatial_gating: a sequence has 4 tokens, but W was made for max-positions = 3; train with a larger "
            "max-positions or leave out longer sentences");
  EXPECT_EQ(said([](auto& x) {
              x[0] = Tensor::zeros({8, 11}, DType::float64);
            }),
            "spatial_gating: z has 11 channels, expected an even number to split");
  EXPECT_NE(said([](auto& x) {
              x[3] = Tensor::zeros({1, 4, 3}, DType::float64);
            }).find("W is [1, 4, 3], expected"),
            std::string::npos);
  EXPECT_NE(said([](auto& x) {
              x[4] = Tensor::zeros({4, 4}, DType::float64);
            }).find("b is [4, 4], expected [heads, n]"),
            std::string::npos);
  EXPECT_NE(said([](auto& x) { x[1] = Tensor::zeros({7}, DType::float64); }).find("expected [6]"), std::string::npos);
  EXPECT_NE(said([](auto& x) { x[2] = Tensor::zeros({6}); }).find("expected the same type"), std::string::npos);
  EXPECT_NE(error_of([] { gate_of_name("spilt", "spatial-gate"); }).find("spatial-gate"), std::string::npos);
}

}  // namespace
}  // namespace attune::attention
