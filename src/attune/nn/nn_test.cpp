#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "attune/base/parallel.h"
#include "attune/nn/feed_forward.h"
#include "attune/nn/initialise.h"
#include "attune/nn/joined_linear.h"
#include "attune/nn/mean_mixer.h"
#include "attune/nn/mixer.h"
#include "attune/nn/module_gradients.h"
#include "attune/nn/multi_head_attention.h"
#include "attune/nn/norm.h"
#include "attune/nn/positions.h"

namespace attune {
namespace {

// Attention that can run: its parameters keep the storage they share alive.
std::unique_ptr<Mixer> initialised_mixer(const MixerOptions& options, uint64_t seed = 1) {
  auto mixer = make_mixer("scaled_dot", options);
  Parameters list;
  mixer->collect(list, "mixer");
  list.allocate();
  initialise(list, Rng(seed));
  return mixer;
}

TEST(Modules, parameters_are_listed_once_by_path_in_visit_order) {
  FeedForward layer({.width = 4, .inner = 6});
  const Parameters list = parameters_of(layer, "top");
  ASSERT_EQ(list.entries().size(), 4u);
  EXPECT_EQ(list.entries()[0].name, "top.first.weight");
  EXPECT_EQ(list.entries()[3].name, "top.second.bias");
  EXPECT_EQ(list.count(), 4 * 6 * 2 + 6 + 4);
  EXPECT_FALSE(layer.first.weight.allocated());
}

TEST(Modules, linear_and_norms_have_right_gradients) {
  Linear layer({3, 4, true}, {});
  const Parameters list = parameters_of(layer);
  const auto worst =
      module_gradient_error(list, random_tensor({5, 3}, Rng(1)), [&](const Tensor& x) { return layer(x, {}); });
  EXPECT_LT(worst.error, 1e-7) << worst.where;
  for (NormKind kind : {NormKind::layer_norm, NormKind::rms_norm}) {
    Norm norm(4, kind, {});
    const Parameters norms = parameters_of(norm);
    const auto error =
        module_gradient_error(norms, random_tensor({3, 4}, Rng(2)), [&](const Tensor& x) { return norm(x); });
    EXPECT_LT(error.error, 1e-7) << error.where;
  }
}

TEST(Modules, feed_forward_has_right_gradients_for_all_forms) {
  for (bool gated : {false, true}) {
    for (bool biases : {false, true}) {
      for (Activation activation : {Activation::relu, Activation::gelu, Activation::silu}) {
        FeedForward layer(
            {.width = 3, .inner = 4, .activation = activation, .gated = gated, .biases = biases, .dropout = 0.3});
        const Parameters list = parameters_of(layer);
        for (const Pass& pass : {Pass{}, Pass{.dropout = Rng(3)}}) {
          const auto worst = module_gradient_error(list, random_tensor({4, 3}, Rng(1)),
                                                   [&](const Tensor& x) { return layer(x, pass); });
          EXPECT_LT(worst.error, 1e-6) << worst.where << " gated " << gated << ' ' << name_of(activation);
        }
      }
    }
  }
}

// Of the size that the mixers' own settings allow: sequences of up to four tokens.
MixerOptions small_mixer() {
  return {.width = 4,
          .heads = 2,
          .spatial = {.inner = 6, .positions = 4},
          .sparse = {.window = {2, {}}, .stride = 2, .summary = 1, .bigbird = {1, 1, 1, 1, 0}},
          .linformer = {2, 4, ProjectionSharing::heads},
          .lsh = {2, 1},
          .performer = {.features = 6},
          .nystrom = {2, 6, 3}};
}

TEST(Modules, every_mixer_has_right_gradients) {
  const Segments queries = Segments::of_lengths(std::vector<int>{2, 0, 3}),
                 keys = Segments::of_lengths(std::vector<int>{3, 2, 1});
  for (const MixerKind& kind : mixers()) {
    const std::string word(kind.word);
    for (bool biases : {false, true}) {
      MixerOptions options = small_mixer();
      options.biases = biases;
      options.dropout = 0.2;
      const auto mixer = make_mixer(word, options);
      Parameters list;
      mixer->collect(list, "mixer");
      const Tensor memory = random_tensor({6, 4}, Rng(5));
      for (const Pass& pass : {Pass{}, Pass{.dropout = Rng(3)}}) {
        const auto worst = module_gradient_error(list, random_tensor({5, 4}, Rng(4)), [&](const Tensor& x) {
          return kind.reads_memory ? (*mixer)(x, queries, memory, keys, pass) : (*mixer)(x, queries, x, queries, pass);
        });
        EXPECT_LT(worst.error, 1e-6) << word << ": " << worst.where;
        if (!kind.reads_memory) {
          continue;
        }
        const auto to_memory = module_gradient_error(list, memory, [&](const Tensor& m) {
          return (*mixer)(random_tensor({5, 4}, Rng(4)), queries, m, keys, pass);
        });
        EXPECT_LT(to_memory.error, 1e-6) << word << ": " << to_memory.where;
      }
    }
  }
}

TEST(Modules, every_mixer_takes_no_rows_and_one_row) {
  for (const MixerKind& kind : mixers()) {
    const auto mixer = make_mixer(kind.word, small_mixer());
    Parameters list;
    mixer->collect(list, "mixer");
    const Segments none = Segments::of_lengths(std::vector<int>{0, 0}), one = Segments::of_lengths(std::vector<int>{1});
    const auto single = module_gradient_error(list, random_tensor({1, 4}, Rng(4)),
                                              [&](const Tensor& x) { return (*mixer)(x, one, x, one, {}); });
    EXPECT_LT(single.error, 1e-6) << kind.word << ": " << single.where;
    const Tensor empty = Tensor::zeros({0, 4}, DType::float64);
    EXPECT_EQ((*mixer)(empty, none, empty, none, {}).shape(), Shape({0, 4})) << kind.word;
  }
}

TEST(Modules, layers_take_no_rows_and_one_row) {
  Linear layer({3, 4, true}, {});
  const Parameters list = parameters_of(layer);
  FeedForward feed({.width = 3, .inner = 5, .activation = Activation::gelu});
  const Parameters feed_list = parameters_of(feed);
  for (int rows : {0, 1}) {
    const Tensor x = random_tensor({rows, 3}, Rng(1));
    const auto linear_error = module_gradient_error(list, x, [&](const Tensor& y) { return layer(y, {}); });
    EXPECT_LT(linear_error.error, 1e-7) << linear_error.where;
    const auto feed_error = module_gradient_error(feed_list, x, [&](const Tensor& y) { return feed(y, {}); });
    EXPECT_LT(feed_error.error, 1e-6) << feed_error.where;
  }
}

TEST(Modules, every_normaliser_works_in_self_attention) {
  const Segments segments = Segments::of_lengths(std::vector<int>{3, 1, 2});
  for (const char* normaliser : {"softmax", "relu", "relu_mean", "relu_sum", "sigmoid"}) {
    const auto mixer = make_mixer("scaled_dot", {.width = 4, .heads = 1, .causal = true, .normaliser = normaliser});
    Parameters list;
    mixer->collect(list, "mixer");
    const auto worst = module_gradient_error(list, random_tensor({6, 4}, Rng(11)),
                                             [&](const Tensor& x) { return (*mixer)(x, segments, x, segments, {}); });
    EXPECT_LT(worst.error, 1e-5) << normaliser << ": " << worst.where;
  }
}

TEST(Modules, a_probe_receives_the_weights_and_changes_no_bit_of_the_output) {
  const auto mixer = initialised_mixer({.width = 16, .heads = 2, .causal = true}, 3);
  const auto segments = Segments::of_lengths(std::vector{70, 5});
  const Tensor x = random_tensor({75, 16}, Rng(4), DType::float32);
  const Tensor plain = (*mixer)(x, segments, x, segments, {});
  std::vector<Shape> shapes;
  const Probe probe([&](const std::string& name, const Tensor& value) {
    if (name.starts_with("weights.")) shapes.push_back(value.shape());
  });
  const Tensor probed = (*mixer)(x, segments, x, segments, {.probe = &probe});
  EXPECT_EQ(shapes, (std::vector<Shape>{{2, 70, 70}, {2, 5, 5}}));
  for (int64_t i = 0; i < plain.elements(); ++i) ASSERT_EQ(plain.at(i), probed.at(i));
}

TEST(Modules, unknown_words_and_bad_sizes_name_what_was_expected) {
  EXPECT_THROW(make_mixer("scaled_dots", {.width = 4}), UsageError);
  EXPECT_THROW(make_mixer("scaled_dot", {.width = 4, .heads = 3}), UsageError);
  EXPECT_THROW(make_mixer("mean", {.width = 4, .causal = true}), UsageError);
  EXPECT_THROW(norm_kind_of_name("batch_norm"), UsageError);
  EXPECT_THROW(position_kind_of_name("rotated"), UsageError);
}

TEST(Positions, layouts_are_the_papers_and_the_tools) {
  const double slow = std::pow(10000.0, -2.0 / 6), last = std::pow(10000.0, -1.0);
  const Tensor paper = sinusoidal_table(PositionKind::sinusoidal, 3, 6);
  EXPECT_DOUBLE_EQ(paper.at(6), std::sin(1.0));
  EXPECT_DOUBLE_EQ(paper.at(7), std::cos(1.0));
  EXPECT_DOUBLE_EQ(paper.at(2 * 6 + 2), std::sin(2 * slow));
  const Tensor concatenated = sinusoidal_table(PositionKind::sinusoidal_concatenated, 3, 6);
  EXPECT_DOUBLE_EQ(concatenated.at(2 * 6 + 1), std::sin(2 * slow));
  EXPECT_DOUBLE_EQ(concatenated.at(2 * 6 + 4), std::cos(2 * slow));
  const Tensor tensor2tensor = sinusoidal_table(PositionKind::sinusoidal_tensor2tensor, 3, 6);
  EXPECT_DOUBLE_EQ(tensor2tensor.at(2 * 6 + 2), std::sin(2 * last));
  EXPECT_DOUBLE_EQ(tensor2tensor.at(2 * 6 + 5), std::cos(2 * last));
}

TEST(Positions, restart_in_every_sequence) {
  const Segments segments = Segments::of_lengths(std::vector<int>{2, 3});
  const Positions positions(PositionKind::sinusoidal, 4, 0);
  for (DType dtype : {DType::float32, DType::float64}) {
    const Tensor y = positions(Tensor::zeros({5, 4}, dtype), segments);
    for (int c = 0; c < 4; ++c) {
      EXPECT_EQ(y.at(c), y.at(2 * 4 + c));
      EXPECT_EQ(y.at(4 + c), y.at(3 * 4 + c));
    }
    EXPECT_NEAR(y.at(4 * 4), std::sin(2.0), 1e-6);
  }
  Positions learned(PositionKind::learned, 4, 2);
  parameters_of(learned).allocate();
  EXPECT_THROW(learned(Tensor::zeros({5, 4}), segments), Error);
}

TEST(MultiHeadAttention, step_by_step_equals_the_whole_sequence) {
  const int length = 37, rows = 3;
  const auto mixer = initialised_mixer({.width = 64, .heads = 4, .causal = true});
  const Tensor x = random_tensor({rows * length, 64}, Rng(2), DType::float32);
  const Segments segments = Segments::equal(rows, length);
  const Tensor whole = (*mixer)(x, segments, x, segments, {});
  auto state = mixer->begin(rows);
  for (int t = 0; t < length; ++t) {
    Tensor now = Tensor::empty({rows, 64});
    for (int r = 0; r < rows; ++r) {
      now.rows_view(r, 1).copy_from(x.rows_view(r * length + t, 1));
    }
    const Tensor y = mixer->step(now, *state, {});
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < 64; ++c) {
        ASSERT_NEAR(y.at(r * 64 + c), whole.at((r * length + t) * 64 + c), 1e-5) << "token " << t;
      }
    }
  }
}

TEST(MultiHeadAttention, with_a_reach_sees_only_its_neighbours_in_passes_and_in_steps) {
  const Segments segments = Segments::of_lengths(std::vector{7, 4});
  const Tensor x = random_tensor({11, 8}, Rng(3), DType::float32);
  const auto outputs = [&](std::optional<int> reach, const Tensor& input) {
    return (*initialised_mixer({.width = 8, .heads = 2, .reach = reach}))(input, segments, input, segments, {});
  };
  const auto differs = [&](const Tensor& a, const Tensor& b, int row) {
    double difference = 0;
    for (int64_t i = 0; i < 8; ++i) difference += std::abs(a.at(row * 8 + i) - b.at(row * 8 + i));
    return difference > 1e-6;
  };
  Tensor changed = x.clone();
  for (size_t i = 0; i < 8; ++i) changed.data<float>()[3 * 8 + i] += 1;  // row 3 of the first sequence
  for (const int reach : {0, 1, 2}) {
    const Tensor before = outputs(reach, x), after = outputs(reach, changed);
    for (int row = 0; row < 11; ++row) {
      EXPECT_EQ(differs(before, after, row), std::abs(row - 3) <= reach) << reach << ", row " << row;
    }
  }
  const Tensor wide = outputs(7, x), all = outputs({}, x);
  for (int row = 0; row < 11; ++row) EXPECT_FALSE(differs(wide, all, row));

  const auto causal = initialised_mixer({.width = 8, .heads = 2, .causal = true, .reach = 2});
  const Segments one = Segments::of_lengths(std::vector{11});
  const Tensor whole = (*causal)(x, one, x, one, {});
  const auto state = causal->begin(1);
  for (int64_t row = 0; row < 11; ++row) {
    const Tensor step = causal->step(x.rows_view(row, 1), *state, {});
    for (int64_t i = 0; i < 8; ++i) EXPECT_NEAR(step.at(i), whole.at(row * 8 + i), 1e-5) << "row " << row;
  }
}

TEST(MultiHeadAttention, a_reordered_state_continues_what_its_rows_were) {
  const auto mixer = initialised_mixer({.width = 8, .heads = 2, .causal = true});
  const Tensor first = random_tensor({3, 8}, Rng(2), DType::float32),
               second = random_tensor({2, 8}, Rng(3), DType::float32);
  auto state = mixer->begin(3);
  mixer->step(first, *state, {});
  state->reorder(std::vector<int>{2, 0});
  const Tensor y = mixer->step(second, *state, {});
  for (int row : {0, 1}) {
    auto alone = mixer->begin(1);
    mixer->step(first.rows_view(row == 0 ? 2 : 0, 1).clone(), *alone, {});
    const Tensor expected = mixer->step(second.rows_view(row, 1).clone(), *alone, {});
    for (int c = 0; c < 8; ++c) {
      EXPECT_EQ(y.at(row * 8 + c), expected.at(c));
    }
  }
}

// What row r reads at step t, by a hash of the path that its hypothesis took.
Tensor token_of(uint64_t path) {
  return random_tensor({1, 8}, Rng(3).stream(path), DType::float32);
}

TEST(MultiHeadAttention, rows_dropped_repeated_and_exchanged_in_any_way_continue_what_they_were) {
  const auto mixer = initialised_mixer({.width = 8, .heads = 2, .causal = true});
  const auto read = [&](MixerState& state, std::span<const uint64_t> paths) {
    Tensor now = Tensor::empty({static_cast<int64_t>(paths.size()), 8});
    for (size_t r = 0; r < paths.size(); ++r) {
      now.rows_view(static_cast<int64_t>(r), 1).copy_from(token_of(paths[r]));
    }
    return mixer->step(now, state, {});
  };
  constexpr uint64_t rows = 4;
  for (const int before : {1, 16}) {  // tokens read; 16: the cache is full, the next one makes it grow
    for (uint64_t most = 1; most <= rows + 1; ++most) {
      for (uint64_t code = 0; code<static_cast<uint64_t>(std::pow(rows, most)); code += most> rows ? 7 : 1) {
        auto state = mixer->begin(static_cast<int>(rows));
        for (int t = 0; t < before; ++t) {
          std::vector<uint64_t> paths;
          for (uint64_t r = 0; r < rows; ++r) paths.push_back(100 * r + static_cast<uint64_t>(t));
          read(*state, paths);
        }
        std::vector<int> from;
        std::vector<uint64_t> next;
        for (uint64_t r = 0, rest = code; r < most; ++r, rest /= rows) {
          from.push_back(static_cast<int>(rest % rows));
          next.push_back(1000 + r);
        }
        state->reorder(from);
        const Tensor y = read(*state, next);
        for (size_t r = 0; r < from.size(); ++r) {
          auto alone = mixer->begin(1);
          for (int t = 0; t < before; ++t) {
            read(*alone, std::vector{static_cast<uint64_t>(100 * from[r] + t)});
          }
          const Tensor expected = read(*alone, std::span(next).subspan(r, 1));
          for (int c = 0; c < 8; ++c) {
            ASSERT_EQ(y.at(static_cast<int64_t>(r) * 8 + c), expected.at(c)) << "row " << r << " of code " << code;
          }
        }
      }
    }
  }
}

TEST(MultiHeadAttention, rows_that_read_one_source_get_what_each_gets_alone) {
  const auto mixer = initialised_mixer({.width = 64, .heads = 4});
  const Tensor memory = random_tensor({40, 64}, Rng(2), DType::float32);
  const Segments sources = Segments::of_lengths(std::vector<int>{9, 1, 30});
  std::vector<int> source_of = {2, 2, 2, 0, 1, 1, 2, 0, 0};
  auto state = mixer->begin(memory, sources, source_of, {});
  for (const std::vector<int>& from : {std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8}, {1, 1, 3, 3, 3, 8, 4, 0}}) {
    state->reorder(from);
    std::vector<int> moved;
    for (const int row : from) moved.push_back(source_of[static_cast<size_t>(row)]);
    source_of = moved;
    const auto rows = static_cast<int64_t>(from.size());
    const Tensor x = random_tensor({rows, 64}, Rng(4), DType::float32), y = mixer->step(x, *state, {});
    for (int64_t row = 0; row < rows; ++row) {
      auto alone = mixer->begin(memory, sources, std::span(source_of).subspan(static_cast<size_t>(row), 1), {});
      const Tensor expected = mixer->step(x.rows_view(row, 1), *alone, {});
      for (int c = 0; c < 64; ++c) {
        ASSERT_NEAR(y.at(row * 64 + c), expected.at(c), 1e-6) << "row " << row;
      }
    }
  }
}

struct TwoLinear {
  template <class Self, class Each>
  static void visit(Self& self, Each&& each) {
    each("a", self.a);
    each("b", self.b);
  }
  Linear a{{5, 3, true}, {Initialiser::Kind::normal, 1}}, b{{5, 64, true}, {Initialiser::Kind::normal, 1}};
};

TEST(JoinedLinear, has_the_bits_of_its_parts_and_follows_their_changes) {
  TwoLinear parts;
  Parameters list = parameters_of(parts);
  list.allocate();
  const Tensor x = random_tensor({7, 5}, Rng(2), DType::float32);
  for (const DType compute : {DType::float32, DType::bfloat16}) {
    for (const uint64_t seed : {1U, 2U}) {
      initialise(list, Rng(seed));
      parts.a.bias.fill(static_cast<double>(seed));
      const Pass pass{.compute = compute};
      const Tensor a = parts.a(x, pass), b = parts.b(x, pass);
      const std::array<const Linear*, 2> both{&parts.a, &parts.b};
      const Tensor joined = joined_linear(x, both, pass);
      ASSERT_EQ(joined.shape(), Shape({7, 67}));
      for (int64_t row = 0; row < 7; ++row) {
        for (int64_t column = 0; column < 67; ++column) {
          ASSERT_EQ(joined.at(row * 67 + column), column < 3 ? a.at(row * 3 + column) : b.at(row * 64 + column - 3));
        }
      }
    }
  }
}

}  // namespace
}  // namespace attune
