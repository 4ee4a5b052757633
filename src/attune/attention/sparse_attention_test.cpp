// Attention under sparse patterns: the blocks that the kernel visits, and both kernels with every pattern.
#include "attune/attention/scaled_dot_checks_test.h"
#include "attune/base/error_of_test.h"

namespace attune::attention {
namespace {

using namespace testing;
using attune::testing::error_of;

struct Case {
  std::string name;
  Options options;
};

// Every pattern, for four heads and three sequences of odd lengths.
std::vector<Case> cases() {
  const auto of = [](SparsePattern pattern, bool causal = false) {
    return Options{.mask = {.causal = causal, .pattern = std::move(pattern)}};
  };
  const GlobalTokens global{.leading = 1, .positions = {{70, 3}, {}, {0}}};
  const SlidingWindow window{.window = 20}, dilated{.window = 16, .dilation = {1, 3, 2, 3}};
  std::vector<Case> table{
      {"window", of({window})},
      {"window, causal", of({window}, true)},
      {"window, dilated", of({dilated})},
      {"window, dilated, causal, global", of({dilated, global}, true)},
      {"window, global", of({window, global})},
      {"window, two dilations", of({SlidingWindow{.window = 16, .dilation = {1, 1, 3, 3}}})},
      {"wide window, one dilation", of({SlidingWindow{.window = 200, .dilation = {2}}, {.leading = 2}})},
      {"strided", of({StridedPattern{.stride = 9}})},
      {"strided, causal", of({StridedPattern{.stride = 13}}, true)},
      {"strided beyond the length", of({StridedPattern{.stride = 1000}}, true)},
      {"fixed", of({FixedPattern{.stride = 10, .summary = 3}})},
      {"fixed, causal", of({FixedPattern{.stride = 16, .summary = 2}}, true)},
      {"bigbird", of({BigBird{.block = 8, .seed = 3}})},
      {"bigbird, extended", of({BigBird{.block = 16, .global_blocks = 0, .random_blocks = 2, .seed = 4}, global})},
      {"bigbird, blocks of 64",
       of({BigBird{.block = 64, .window_blocks = 1, .global_blocks = 1, .random_blocks = 1}})}};
  SparsePattern elsewhere{window, global};
  elsewhere.global.attend = false;
  table.push_back({"global queries elsewhere", of(elsewhere)});
  Options bigbird_band = of({BigBird{.block = 8, .seed = 3}});
  bigbird_band.mask.left = 60;
  table.push_back({"bigbird, band", bigbird_band});
  Options band = of({StridedPattern{.stride = 7}});
  band.mask.left = 30;
  band.mask.right = 11;
  table.push_back({"strided, band", band});
  return table;
}

const std::vector<int> lengths{131, 0, 67};

// Every word of a layout against the definition, pair by pair.
TEST(SparseBlocks, hold_the_pairs_of_the_definition_and_no_block_without_one) {
  for (const Case& row : cases()) {
    for (const bool fewer_queries : {false, true}) {
      if (fewer_queries && std::holds_alternative<BigBird>(row.options.mask.pattern->rule)) continue;
      const auto keys = Segments::of_lengths(lengths);
      const auto queries = fewer_queries ? Segments::of_lengths(std::vector<int>{75, 0, 1}) : keys;
      for (const int kv_heads : {4, 2}) {
        const Mask& mask = row.options.mask;
        const cpu::BlockMask blocks(mask, queries, keys, 4, kv_heads, true);
        int64_t pairs = 0, visits = 0;
        for (int s = 0; s < keys.count(); ++s) {
          for (int head = 0; head < 4; ++head) {
            const cpu::BlockLayout& layout = blocks.layout(s, head);
            const int n = keys.length(s), rows = queries.length(s);
            std::vector<std::vector<int>> in_block((static_cast<size_t>(n) + 63) / 64);
            for (int t = 0; t < rows; ++t) {
              const int i = static_cast<int>(cpu::row_at(blocks.query_order(s, head), t));
              const KeyRange range = visible_keys(mask, i, rows, n);
              for (int place = 0; place < n; ++place) {
                const int j = static_cast<int>(cpu::row_at(blocks.key_order(s, head), place));
                const bool expected =
                    may_see(*mask.pattern, {s, head, i + n - rows, j, n}) && j >= range.begin && j < range.end;
                const auto* visit = layout.find(t / 64, place / 64);
                const bool found =
                    visit != nullptr &&
                    (visit->words < 0 ||
                     ((layout.words[static_cast<size_t>(visit->words + t % 64)] >> (place % 64)) & 1) != 0);
                ASSERT_EQ(found, expected)
                    << row.name << ": sequence " << s << ", head " << head << ", " << i << ", " << j;
                pairs += expected;
                auto& seeing = in_block[static_cast<size_t>(place / 64)];
                if (expected && std::find(seeing.begin(), seeing.end(), t / 64) == seeing.end())
                  seeing.push_back(t / 64);
              }
            }
            for (size_t block = 0; block < in_block.size(); ++block) {
              std::sort(in_block[block].begin(), in_block[block].end());
              const auto listed = layout.query_blocks_of(static_cast<int>(block));
              EXPECT_EQ(std::vector<int>(listed.begin(), listed.end()), in_block[block]) << row.name;
              visits += static_cast<int64_t>(in_block[block].size());
            }
          }
        }
        EXPECT_EQ(blocks.pairs(), pairs) << row.name;
        EXPECT_EQ(blocks.visits(), visits) << row.name;
      }
    }
  }
}

TEST(SparseAttention, is_as_exact_as_the_definition_with_every_pattern) {
  for (const Case& row : cases()) {
    expect_as_exact_as_the_definition(problem_of(lengths, lengths, {4, 4, 16, 24}), row.options, row.name);
    expect_as_exact_as_the_definition(problem_of(lengths, lengths, {4, 2, 5, 16}), row.options,
                                      row.name + ", shared keys");
    if (std::holds_alternative<BigBird>(row.options.mask.pattern->rule)) continue;
    expect_as_exact_as_the_definition(problem_of({75, 0, 1}, lengths, {4, 4, 16, 16}), row.options,
                                      row.name + ", late queries");
  }
}

TEST(SparseAttention, goes_with_every_other_option) {
  const Tensor slopes = random_tensor({4}, Rng(1), DType::float32);
  const Tensor dense = random_tensor({4, 131, 131}, Rng(2), DType::float32);
  Tensor allowed = Tensor::full({1, 131, 131}, 1, DType::boolean);
  for (int64_t i = 0; i < allowed.elements(); i += 3) allowed.pointer<bool>()[i] = false;
  for (const Case& row : cases()) {
    const Problem p = problem_of(lengths, lengths, {4, 4, 8, 8});
    Options dropped = row.options, explicitly = row.options, relu = row.options;
    dropped.dropout = {0.3, Rng(5)};
    explicitly.mask.allowed = allowed;
    explicitly.softcap = 2;
    relu.normaliser = Normaliser::relu_sum;
    expect_as_exact_as_the_definition(p, dropped, row.name + ", dropout");
    expect_as_exact_as_the_definition(p, with_bias(row.options, Slopes{slopes}), row.name + ", slopes");
    expect_as_exact_as_the_definition(p, with_bias(explicitly, DenseBias{dense}), row.name + ", dense bias, allowed");
    Problem positive = problem_of(lengths, lengths, {4, 4, 8, 8});  // no sum near 0, by which a gradient is divided
    for (Tensor* x : {&positive.q, &positive.k}) {
      for (float& element : x->data<float>()) element = std::fabs(element);
    }
    expect_as_exact_as_the_definition(positive, relu, row.name + ", relu_sum");
  }
}

// With everything visible: the same numbers to the last bit (of sequences that are one span, as they are weighed).
TEST(SparseAttention, equals_exact_attention_where_everything_is_visible) {
  const std::vector<std::pair<std::string, SparsePattern>> whole{
      {"window", {SlidingWindow{.window = 2000}}},
      {"global tokens", {SlidingWindow{.window = 0}, {.leading = 1000}}},
      {"fixed", {FixedPattern{.stride = 1000, .summary = 1000}}},
      {"one block", {BigBird{.block = 1000}}},
      {"window blocks", {BigBird{.block = 16, .window_blocks = 101, .global_blocks = 0, .random_blocks = 0}}},
      {"global blocks", {BigBird{.block = 16, .window_blocks = 1, .global_blocks = 101, .random_blocks = 0}}},
      {"random blocks", {BigBird{.block = 16, .window_blocks = 1, .global_blocks = 0, .random_blocks = 101}}}};
  const Problem narrow = problem_of({131, 64}, {131, 64}, {4, 2, 40, 24}), wide = in_float64(narrow);
  for (const bool causal : {false, true}) {
    const Options exact{.mask = {.causal = causal}};
    for (const Problem& p : {narrow, wide}) {
      const Results expected = run(scaled_dot, p, exact);
      for (const auto& [name, pattern] : whole) {
        if (causal && std::holds_alternative<BigBird>(pattern.rule)) continue;
        const Results y = run(scaled_dot, p, {.mask = {.causal = causal, .pattern = pattern}});
        for (size_t i = 0; i < y.all.size(); ++i) {
          EXPECT_EQ(largest_difference(y.all[i], expected.all[i]), 0) << name << " " << result_names[i];
        }
      }
      // Of a strided pattern, all that even heads see with a long stride, and odd heads with stride 1.
      for (const int stride : {1, 1000}) {
        const Results y = run(scaled_dot, p, {.mask = {.causal = causal, .pattern = {{StridedPattern{stride}}}}});
        const int depth = 24, rows = static_cast<int>(p.q.size(0));
        for (int i = 0; i < rows; ++i) {
          for (int head = stride == 1 ? 1 : 0; head < 4; head += 2) {
            for (int c = 0; c < depth; ++c) {
              const int64_t at = (int64_t{i} * 4 + head) * depth + c;
              ASSERT_EQ(y.all[0].at(at), expected.all[0].at(at)) << stride;
            }
          }
        }
      }
    }
  }
}

TEST(SparseAttention, has_the_gradients_that_finite_differences_show) {
  set_threads(1);
  const auto tokens = Segments::of_lengths(std::vector<int>{7, 1, 0, 10});
  const GlobalTokens global{.leading = 1, .positions = {{3}, {}, {}, {9, 4}}};
  const std::vector<Mask> masks{{.pattern = {{SlidingWindow{.window = 4}, global}}},
                                {.causal = true, .pattern = {{SlidingWindow{.window = 4, .dilation = {1, 2}}, global}}},
                                {.causal = true, .pattern = {{StridedPattern{.stride = 3}}}},
                                {.causal = true, .pattern = {{FixedPattern{.stride = 4, .summary = 1}}}},
                                {.pattern = {{BigBird{.block = 2, .window_blocks = 1, .random_blocks = 1}}}}};
  const auto draw = [&](uint64_t seed) { return random_tensor({tokens.rows(), 2, 3}, Rng(seed)); };
  for (size_t n = 0; n < masks.size(); ++n) {
    const auto worst =
        gradient_error([&](auto& x) { return scaled_dot(x[0], x[1], x[2], tokens, tokens, {.mask = masks[n]}).out; },
                       {draw(1), draw(2), draw(3)});
    EXPECT_LT(worst.error, 1e-8) << n << ": " << worst.where;
  }
  set_threads(0);
}

TEST(SparseAttention, lets_nothing_out_of_keys_that_a_query_does_not_see) {
  for (const Case& row : cases()) {
    const Problem clean = problem_of({131, 0, 67}, {131, 0, 67}, {4, 4, 16, 16});
    const Results before = run(scaled_dot, clean, row.options);
    for (const int key : {40, 130}) {
      Problem p = problem_of({131, 0, 67}, {131, 0, 67}, {4, 4, 16, 16});
      for (Tensor* x : {&p.k, &p.v}) {
        for (float& element : x->data<float>().subspan(static_cast<size_t>(key) * 64, 64)) element = NAN;
      }
      const Results y = run(scaled_dot, p, row.options);
      for (int i = 0; i < 198; ++i) {
        for (int head = 0; head < 4; ++head) {
          const KeyRange range = visible_keys(row.options.mask, i, 131, 131);
          const bool sees = i < 131 && may_see(*row.options.mask.pattern, {0, head, i, key, 131}) &&
                            key >= range.begin && key < range.end;
          for (const size_t result : {0, 2}) {
            const int64_t at = (int64_t{i} * 4 + head) * 16;
            if (sees) {
              EXPECT_TRUE(std::isnan(y.all[result].at(at))) << row.name << " " << i << ", head " << head;
            } else {
              ASSERT_EQ(y.all[result].at(at), before.all[result].at(at)) << row.name << " " << i << ", head " << head;
            }
          }
        }
      }
    }
  }
}

TEST(SparseAttention, gives_rows_without_keys_zero_and_no_gradient) {
  const Problem p = problem_of({131, 0, 67}, {131, 0, 67}, {2, 2, 16, 16});
  const Options causal{.mask = {.causal = true, .pattern = {{FixedPattern{.stride = 40, .summary = 1}}}}};
  const Results y = run(scaled_dot, p, causal);
  for (int i = 0; i < 39; ++i) {  // before the first summary, head 1 has nothing
    const int64_t row = int64_t{i} * 2 + 1;
    EXPECT_EQ(y.all[1].at(row), -INFINITY);
    for (int c = 0; c < 16; ++c) {
      for (const size_t result : {0, 2}) EXPECT_EQ(y.all[result].at(row * 16 + c), 0) << result_names[result];
    }
  }
  for (const size_t i : {0, 2, 3, 4}) {
    for (int64_t n = 0; n < y.all[i].elements(); ++n) ASSERT_TRUE(std::isfinite(y.all[i].at(n))) << result_names[i];
  }
}

TEST(SparseAttention, has_the_same_bits_in_any_batch_and_with_any_number_of_threads) {
  const auto check = [](const Case& row, int kv_heads) {
    const Problem p = problem_of({131, 300, 67}, {131, 300, 67}, {4, kv_heads, 40, 24});
    set_threads(1);
    const Results one = run(scaled_dot, p, row.options);
    set_threads(3);
    const Results three = run(scaled_dot, p, row.options);
    for (size_t i = 0; i < one.all.size(); ++i) {
      EXPECT_EQ(largest_difference(one.all[i], three.all[i]), 0) << row.name << " " << result_names[i];
    }
    for (int s = 0; s < 3; ++s) {  // alone there are fewer items than threads: the backward in halves
      Options options = row.options;
      auto& positions = options.mask.pattern->global.positions;
      if (!positions.empty()) positions = {positions[static_cast<size_t>(s)]};
      const auto only = [&](const Tensor& x) { return x.rows_view(p.queries.begin(s), p.queries.length(s)); };
      const auto segment = Segments::equal(1, p.queries.length(s));
      const Problem alone{only(p.q), only(p.k), only(p.v), only(p.dout), only(p.dlse), segment, segment};
      const Results single = run(scaled_dot, alone, options);
      for (size_t i = 0; i < single.all.size(); ++i) {
        EXPECT_EQ(largest_difference(single.all[i], only(one.all[i])), 0) << row.name << " " << result_names[i];
      }
    }
  };
  for (const Case& row : cases()) {
    for (const int kv_heads : {4, 2}) check(row, kv_heads);
  }
  set_threads(0);
}

TEST(SparseAttention, gives_a_causal_row_the_bits_of_a_step_with_the_keys_so_far) {
  const Options options{.mask = {.causal = true, .pattern = {{SlidingWindow{.window = 50}, {.leading = 2}}}}};
  const Problem p = problem_of({150}, {150}, {2, 1, 40, 24});
  const Attended whole = scaled_dot(p.q, p.k, p.v, p.queries, p.keys, options);
  for (int i = 0; i < 150; ++i) {
    const Attended step = scaled_dot(p.q.rows_view(i, 1), p.k.rows_view(0, i + 1), p.v.rows_view(0, i + 1),
                                     Segments::equal(1, 1), Segments::equal(1, i + 1), options);
    ASSERT_EQ(largest_difference(step.out, whole.out.rows_view(i, 1)), 0) << i;
  }
}

TEST(SparseAttention, reads_bfloat16) {
  for (const Case& row : cases()) {
    for (const int depth : {16, 5, 6}) {  // odd: no pairs; 6: an odd number of them
      const Problem rounded = problem_of(lengths, lengths, {4, 4, depth, 16}, DType::bfloat16);
      expect_as_exact_as_rounded(rounded, row.options, row.name + ", depth " + std::to_string(depth));
    }
  }
}

// Counted where the work is done: forward and backward visit each pair of blocks once, and no other.
TEST(SparseAttention, visits_the_blocks_of_its_pattern_and_no_other) {
  set_threads(2);  // with more threads than sequences and heads, the backward's halves visit each once
  const int n = 1024, blocks = n / 64;
  const Problem p = problem_of({n, n}, {n, n}, {2, 2, 16, 16});
  const auto visited = [&](const SparsePattern& pattern, bool causal = false) {
    const Options options{.mask = {.causal = causal, .pattern = pattern}};
    const Sizes sizes = checked_sizes(p.q, p.k, p.v, p.queries, p.keys, options);
    const cpu::Fused in{p.q,    p.k,     p.v,   p.queries,
                        p.keys, options, sizes, block_mask_of(sizes, p.queries, p.keys, options)};
    const cpu::FusedForward forward = cpu::fused_forward(in);
    EXPECT_EQ(cpu::fused_backward(in, forward, p.dout, {}, false).visited_blocks, forward.visited_blocks);
    EXPECT_EQ(in.blocks.visits(), forward.visited_blocks);
    return forward.visited_blocks / 2;  // of each sequence
  };
  EXPECT_EQ(visited({SlidingWindow{.window = 128}}), 2 * (3 * blocks - 2));
  EXPECT_EQ(visited({SlidingWindow{.window = 128}}, true), 2 * (2 * blocks - 1));
  EXPECT_EQ(visited({SlidingWindow{.window = 128}, {.leading = 1}}), 2 * (3 * blocks - 2 + 2 * (blocks - 2)));
  // 4 residues of 256 keys, each 4 blocks with a window of one block to each side.
  EXPECT_EQ(visited({SlidingWindow{.window = 128, .dilation = {4}}}), 2 * 4 * (3 * 4 - 2));
  // Head 0: 128 keys to each side; head 1: 128 residues of 8 keys, 8 of them a block.
  EXPECT_EQ(visited({StridedPattern{.stride = 128}}), (5 * blocks - 6) + blocks);
  EXPECT_EQ(visited({StridedPattern{.stride = 128}}, true), (3 * blocks - 3) + blocks);
  // Head 0: two blocks a stretch; head 1: 8 summaries of 8 stretches, one block.
  EXPECT_EQ(visited({FixedPattern{.stride = 128, .summary = 8}}), 2 * blocks + blocks);
  // First and last: all; second and last but one: the window and the globals are 4 of it, the others 5; and 3 random.
  EXPECT_EQ(visited({BigBird{}}), 2 * (2 * blocks + 2 * (4 + 3) + (blocks - 4) * (5 + 3)));
  set_threads(0);
}

TEST(SparseAttention, says_what_is_wrong) {
  const Problem p = problem_of({6}, {6}, {2, 2, 4, 4}), one_head = problem_of({6}, {6}, {1, 1, 4, 4});
  const auto says = [](SparsePattern pattern, const std::string& part, const Problem& in, bool causal = false) {
    const Options options{.mask = {.causal = causal, .pattern = std::move(pattern)}};
    const std::string error = error_of([&] { scaled_dot(in.q, in.k, in.v, in.queries, in.keys, options); });
    EXPECT_NE(error.find(part), std::string::npos) << error;
  };
  says({SlidingWindow{.window = 5}}, "expected an even number", p);
  says({SlidingWindow{.dilation = {1, 2, 3}}}, "3 dilations for 2 heads", p);
  says({SlidingWindow{.dilation = {0}}}, "a dilation is 0", p);
  says({StridedPattern{.stride = 0}}, "the stride is 0", p);
  says({StridedPattern{}}, "1 head, expected 2 or more", one_head);
  says({FixedPattern{.stride = 4, .summary = 5}}, "5 summary keys of a stride of 4", p);
  says({BigBird{.block = 0}}, "the block is 0", p);
  says({BigBird{.window_blocks = 2}}, "expected an odd number", p);
  says({BigBird{.random_blocks = -1}}, "-1 random blocks", p);
  says({SlidingWindow{}, {.leading = -1}}, "-1 leading", p);
  says({SlidingWindow{}, {.positions = {{}, {}}}}, "2 lists of global tokens for 1 sequences", p);
  says({SlidingWindow{}, {.positions = {{6}}}}, "global token 6 of sequence 0, which has 6 tokens", p);
  says({SlidingWindow{}}, "7 queries and 6 keys", problem_of({7}, {6}, {2, 2, 4, 4}));
  says({BigBird{}}, "5 queries and 6 keys", problem_of({5}, {6}, {2, 2, 4, 4}));
  says({BigBird{}}, "no causal form", p, true);
}

}  // namespace
}  // namespace attune::attention
