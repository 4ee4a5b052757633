// The fused kernel against the float64 definition.
#include <hwy/highway.h>

#include <cstring>

#include "attune/attention/scaled_dot_checks_test.h"

namespace attune::attention {
namespace {

using namespace testing;

const std::vector<int> tricky_lengths{0, 1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 127};

TEST(ScaledDotFused, is_as_exact_as_the_definition_at_every_length_and_depth) {
  for (const int depth : {1, 8, 40, 63, 64, 80, 96, 128, 256}) {
    expect_as_exact_as_the_definition(problem_of(tricky_lengths, tricky_lengths, {1, 1, depth, depth}), {},
                                      "depth " + std::to_string(depth));
    expect_as_exact_as_the_definition(problem_of(tricky_lengths, tricky_lengths, {1, 1, depth, depth}),
                                      {.mask = {.causal = true}}, "causal, depth " + std::to_string(depth));
  }
  expect_as_exact_as_the_definition(problem_of({257, 3}, {257, 127}, {1, 1, 64, 64}), {.mask = {.causal = true}},
                                    "257");
}

Tensor allowed_pattern(int planes, int queries, int keys) {
  Tensor allowed = Tensor::empty({planes, queries, keys}, DType::boolean);
  auto bits = allowed.data<bool>();
  for (size_t i = 0; i < bits.size(); ++i) bits[i] = Rng(91).below(i, 3) != 0;
  return allowed;
}

Tensor drawn_bias(const Shape& shape) {
  return random_tensor(shape, Rng(17), DType::float32);
}

// Options that have to know how many heads and how long sequences there are.
std::vector<std::pair<std::string, Options>> sized_options(int heads, int queries, int keys) {
  Tensor hiding = drawn_bias({heads, queries, keys});
  for (int64_t i = 0; i < hiding.elements(); i += 5) hiding.pointer<float>()[i] = -INFINITY;
  const Tensor shared = allowed_pattern(1, queries, keys), each = allowed_pattern(heads, queries + 3, keys + 70);
  const DenseBias dense{drawn_bias({heads, queries, keys})};
  const Slopes slopes{drawn_bias({heads})};
  const Options causal{.mask = {.causal = true}};
  return {
      {"allowed, shared", {.mask = {.allowed = shared}}},
      {"allowed by head, causal", {.mask = {.causal = true, .allowed = each}}},
      {"allowed, relu_mean", {.mask = {.allowed = shared}, .normaliser = Normaliser::relu_mean}},
      {"dense bias", with_bias({}, dense)},
      {"wider dense bias, causal", with_bias(causal, DenseBias{drawn_bias({heads, queries + 1, keys + 64})})},
      {"shared dense bias, dropout", with_bias({.dropout = {0.3, Rng(2)}}, DenseBias{drawn_bias({1, queries, keys})})},
      {"dense bias that hides", with_bias({}, DenseBias{hiding})},
      {"dense bias, softcap, sigmoid", with_bias({.softcap = 2, .normaliser = Normaliser::sigmoid}, dense)},
      {"slopes", with_bias({}, slopes)},
      {"slopes, causal, softcap", with_bias({.mask = {.causal = true}, .softcap = 3}, slopes)},
      {"buckets", with_bias({}, Buckets{drawn_bias({heads, 32}), 40, true})},
      {"buckets, band, allowed, dropout", with_bias({.mask = {.left = 9, .allowed = each}, .dropout = {0.2, Rng(3)}},
                                                    Buckets{drawn_bias({heads, 16}), 30, false})},
      {"buckets, relu_sum",
       with_bias({.normaliser = Normaliser::relu_sum}, Buckets{drawn_bias({heads, 8}), 30, false})},
      {"offsets", with_bias({}, Offsets{drawn_bias({heads, 41}), true})},
      {"offsets, causal, dropout",
       with_bias({.mask = {.causal = true}, .dropout = {0.2, Rng(3)}}, Offsets{drawn_bias({heads, 70}), false})}};
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
      {"softcap", {.softcap = 0.7}},
      {"dropout", {.dropout = {0.3, Rng(7)}}},
      {"causal dropout", {.mask = {.causal = true}, .dropout = {0.1, Rng(8)}}},
      {"relu", {.mask = {.causal = true}, .normaliser = Normaliser::relu}},
      {"relu_mean", {.mask = {.causal = true}, .normaliser = Normaliser::relu_mean, .dropout = {0.2, Rng(9)}}},
      {"relu_sum", {.normaliser = Normaliser::relu_sum, .dropout = {0.2, Rng(10)}}},
      {"sigmoid", {.mask = {.left = 9}, .normaliser = Normaliser::sigmoid, .dropout = {0.2, Rng(11)}}}};
  for (const Depths& depths : {Depths{2, 2, 16, 16}, Depths{4, 2, 24, 7}, Depths{3, 1, 5, 64}}) {
    for (const bool few_queries : {true, false}) {
      const auto &queries = few_queries ? fewer : more, &keys = few_queries ? more : fewer;
      const Problem p = problem_of(queries, keys, depths);
      auto rows = sized_options(depths.heads, p.queries.longest(), p.keys.longest());
      rows.insert(rows.end(), table.begin(), table.end());
      for (const auto& [name, options] : rows) {
        expect_as_exact_as_the_definition(p, options, name + (few_queries ? ", fewer queries" : ", more queries"));
      }
    }
  }
}

// Instruction sets that this build and machine have, the best one first.
std::vector<int64_t> instruction_sets() {
  std::vector<int64_t> sets;
  for (const int64_t set : {int64_t{HWY_AVX3}, int64_t{HWY_AVX2}, int64_t{HWY_SSE4}}) {
    if ((hwy::SupportedTargets() & set) != 0) sets.push_back(set);
  }
  return sets;
}

class OnlyUpTo {  // the instruction set; Highway numbers better ones lower
 public:
  explicit OnlyUpTo(int64_t set) { hwy::DisableTargets(set - 1); }
  ~OnlyUpTo() { hwy::DisableTargets(0); }
  OnlyUpTo(const OnlyUpTo&) = delete;
  OnlyUpTo& operator=(const OnlyUpTo&) = delete;
};

TEST(ScaledDotFused, is_as_exact_with_every_instruction_set_and_the_same_at_every_thread_count) {
  const Problem p = problem_of({70, 3, 0}, {65, 130, 2}, {4, 2, 40, 24});
  std::vector<Tensor> outs;
  for (const int64_t set : instruction_sets()) {
    const OnlyUpTo only(set);
    for (const auto& [name, options] : sized_options(4, 70, 130)) {
      expect_as_exact_as_the_definition(p, options, name + " with " + hwy::TargetName(set));
    }
    expect_as_exact_as_the_definition(p, {.mask = {.causal = true}},
                                      std::string("causal with ") + hwy::TargetName(set));
    expect_as_exact_as_the_definition(problem_of({1}, {1100}, {4, 2, 40, 24}), {},
                                      std::string("decoding with ") + hwy::TargetName(set));
    outs.push_back(run(scaled_dot, p, {}).all[0]);
  }
  for (size_t i = 1; i < outs.size(); ++i) {  // proof that another kernel ran: other sums, other last bits
    EXPECT_GT(largest_difference(outs[0], outs[i]), 0) << i;
  }
}

// One random problem: shapes, segments, options. Seeds instead of a property-testing library: a failure names its seed,
// and the sizes are small enough to need no shrinking.
TEST(ScaledDotFused, is_as_exact_as_the_definition_for_random_problems) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const Rng rng = Rng(seed).stream("problem");
    uint64_t n = 0;
    const auto draw = [&](int below) { return static_cast<int>(rng.below(n++, static_cast<uint64_t>(below))); };
    std::vector<int> queries{8 + draw(20)}, keys{8 + draw(20)};  // enough that the plain path has errors to compare
    for (int s = draw(4); s > 0; --s) {
      queries.push_back(draw(3) == 0 ? draw(140) : draw(20));
      keys.push_back(draw(3) == 0 ? draw(140) : draw(20));
    }
    const int kv_heads = 1 + draw(2), heads = kv_heads * (1 + draw(3));
    const Problem p = problem_of(queries, keys, {heads, kv_heads, 1 + draw(80), 1 + draw(80)});
    Options options;
    const auto sized = sized_options(heads, std::max(p.queries.longest(), 1), std::max(p.keys.longest(), 1));
    const Options& a = sized[static_cast<size_t>(draw(static_cast<int>(sized.size())))].second;
    const Options& b = sized[static_cast<size_t>(draw(static_cast<int>(sized.size())))].second;
    options.bias = a.bias;
    options.mask.allowed = b.mask.allowed;
    options.mask.causal = draw(2) == 0;
    if (draw(3) == 0) options.mask.left = draw(70);
    if (draw(3) == 0) options.mask.right = draw(70);
    if (draw(3) == 0) options.softcap = 1 + draw(5);
    if (draw(3) == 0) options.dropout = {0.25, Rng(seed)};
    options.normaliser = draw(4) == 0 ? Normaliser::sigmoid : Normaliser::softmax;  // relu: a kink anywhere
    expect_as_exact_as_the_definition(p, options, "seed " + std::to_string(seed));
  }
}

TEST(ScaledDotFused, reads_bfloat16_and_is_as_exact_as_a_rounded_float32_result) {
  for (const Options& options : {Options{}, Options{.mask = {.causal = true}}, Options{.softcap = 2}}) {
    for (const int depth : {64, 40, 7}) {
      const Problem rounded = problem_of({70, 1, 33}, {90, 5, 33}, {4, 2, depth, depth}, DType::bfloat16);
      expect_as_exact_as_rounded(rounded, options, "depth " + std::to_string(depth));
    }
  }
}

// Where the processor takes bfloat16 in pairs: those of a view may begin and lie anywhere.
TEST(ScaledDotFused, gives_bfloat16_the_same_bits_wherever_it_lies) {
  const int heads = 2, depth = 6, width = heads * depth, row = 2 * width + 1;  // an odd distance
  const Problem p = problem_of({70}, {70}, {heads, heads, depth, depth}, DType::bfloat16);
  Tensor together = Tensor::empty({70, row}, DType::bfloat16);
  for (int64_t r = 0; r < 70; ++r) {
    for (int c = 0; c < width; ++c) {
      together.data<BFloat16>()[r * row + 1 + c] = p.q.data<BFloat16>()[r * width + c];
      together.data<BFloat16>()[r * row + 1 + width + c] = p.k.data<BFloat16>()[r * width + c];
    }
  }
  const auto part = [&](int first) {
    return together.strided_view({70, heads, depth}, std::vector<int64_t>{row, depth, 1}, first);
  };
  const Tensor here = scaled_dot(p.q, p.k, p.v, p.queries, p.keys).out;
  const Tensor there = scaled_dot(part(1), part(1 + width), p.v, p.queries, p.keys).out;
  EXPECT_EQ(
      std::memcmp(here.data<BFloat16>().data(), there.data<BFloat16>().data(), here.data<BFloat16>().size_bytes()), 0);
}

// Its second head takes queries and keys in an order of its own.
constexpr StridedPattern strides_of_3{.stride = 3};

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
  for (const Options& options : {Options{.mask = {.causal = true}}, Options{.mask = {.pattern = {{strides_of_3}}}}}) {
    for (const Mechanism mechanism : {&scaled_dot, &scaled_dot_definition}) {
      const Results a = run(mechanism, p, options), b = run(mechanism, views, options);
      for (size_t i = 0; i < a.all.size(); ++i) EXPECT_EQ(largest_difference(a.all[i], b.all[i]), 0) << result_names[i];
    }
  }
}

TEST(ScaledDotFused, leaves_gaps_between_segments_at_zero) {
  Problem p = problem_of({9}, {30}, {2, 2, 16, 16});
  p.queries = Segments::at({1, 6}, {3, 2}, 9);
  p.keys = Segments::at({20, 2}, {5, 11}, 30);
  for (const Options& options : {Options{.mask = {.causal = true}}, Options{.mask = {.pattern = {{strides_of_3}}}}}) {
    expect_as_exact_as_the_definition(p, options, "gaps");
    const Results y = run(scaled_dot, p, options);
    EXPECT_EQ(largest_of(y.all[0].rows_view(4, 2)), 0);
    EXPECT_EQ(largest_of(y.all[3].rows_view(13, 7)), 0);
    EXPECT_EQ(largest_of(y.all[4].rows_view(0, 2)), 0);
  }
}

}  // namespace
}  // namespace attune::attention
