// What holds for every mixer of the table: a new row is tested here without a line of its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include "attune/base/check.h"
#include "attune/nn/attention_state.h"
#include "attune/nn/initialise.h"
#include "attune/nn/mixer.h"
#include "attune/nn/multi_head_attention.h"
#include "attune/nn/sparse_mixers.h"
#include "attune/ops/op_checks.h"

namespace attune {
namespace {

using testing::same_bits;

constexpr int width = 32, longest = 150;

// Sizes of which a sequence of the test has several.
MixerOptions options_of(const MixerKind& kind) {
  MixerOptions options{.width = width, .heads = 2, .causal = kind.causal};
  options.spatial = {.inner = 24, .positions = longest, .initialiser = {Initialiser::Kind::normal, 0.1}};
  options.sparse = {.window = {6, {1, 3}}, .stride = 7, .summary = 2, .bigbird = {8, 3, 2, 2, 0}};
  options.linformer = {16, longest, ProjectionSharing::none};
  options.lsh = {3, 16};
  options.performer = {.features = 24};
  options.nystrom = {8, 6, 5};
  return options;
}

struct Ready {
  explicit Ready(const MixerKind& kind) : Ready(kind, options_of(kind)) {}
  Ready(const MixerKind& kind, const MixerOptions& options) : mixer(make_mixer(kind.word, options)) {
    mixer->collect(list, "mixer");
    list.allocate(DType::float32);
    initialise(list, Rng(2));
  }
  Tensor operator()(const Tensor& x, const Segments& segments) const { return (*mixer)(x, segments, x, segments, {}); }

  std::unique_ptr<Mixer> mixer;
  Parameters list;
};

class EveryMixer : public ::testing::TestWithParam<std::string> {
 protected:
  const MixerKind& kind() const { return mixer_kind(GetParam()); }
};
class EveryCausalMixer : public EveryMixer {};

TEST_P(EveryMixer, gives_a_sequence_the_same_bits_in_every_batch) {
  const Ready mixer(kind());
  const Segments batch = Segments::of_lengths(std::vector<int>{3, longest, 1, 0, 65});
  const Tensor x = random_tensor({batch.rows(), width}, Rng(3), DType::float32), together = mixer(x, batch);
  for (int s = 0; s < batch.count(); ++s) {
    const Tensor own = x.rows_view(batch.begin(s), batch.length(s)).clone();
    EXPECT_TRUE(same_bits(mixer(own, Segments::of_lengths(std::vector<int>{batch.length(s)})),
                          together.rows_view(batch.begin(s), batch.length(s)).clone()))
        << "sequence " << s;
  }
}

TEST_P(EveryCausalMixer, learns_nothing_of_later_tokens) {
  MixerOptions options = options_of(kind());
  if (kind().regroups) options.lsh.chunk = 0;  // one group; of several it holds once groups are fixed (lsh_test.cpp)
  const Ready mixer(kind(), options);
  const Segments one = Segments::of_lengths(std::vector<int>{longest});
  const Tensor x = random_tensor({longest, width}, Rng(3), DType::float32), before = mixer(x, one);
  for (const int changed : {1, 2, 64, longest - 1}) {
    Tensor other = x.clone();
    other.rows_view(changed, longest - changed).fill(1000);
    EXPECT_TRUE(same_bits(mixer(other, one).rows_view(0, changed).clone(), before.rows_view(0, changed).clone()))
        << "from token " << changed;
  }
}

// Two rows, which change places now and then; their state at the end. In float32; a step sums in another order.
std::unique_ptr<MixerState> expect_same_step_by_step(const Ready& mixer, bool regroups, int length = longest) {
  const Segments two = Segments::of_lengths(std::vector<int>{length, length});
  const Tensor x = random_tensor({2 * length, width}, Rng(3), DType::float32), whole = mixer(x, two);
  // What a token says in its sequence, or, where that depends on later ones, at the end of what it has seen.
  const auto said = [&](int sequence, int i) {
    if (!regroups) return whole.rows_view(sequence * length + i, 1);
    const Tensor seen = x.rows_view(sequence * length, i + 1).clone();
    return mixer(seen, Segments::of_lengths(std::vector<int>{i + 1})).rows_view(i, 1);
  };
  auto state = mixer.mixer->begin(2);
  bool swapped = false;
  for (int i = 0; i < length; ++i) {
    Tensor now = Tensor::zeros({2, width});
    for (int row = 0; row < 2; ++row) {
      const int sequence = swapped ? 1 - row : row;
      std::copy_n(x.data<float>().begin() + (sequence * length + i) * width, width,
                  now.data<float>().begin() + row * width);
    }
    const Tensor y = mixer.mixer->step(now, *state, {});
    for (int row = 0; row < 2; ++row) {
      const Tensor wanted = said(swapped ? 1 - row : row, i);
      for (int c = 0; c < width; ++c) {
        EXPECT_NEAR(y.at(row * width + c), wanted.at(c), 2e-5) << "token " << i << ", row " << row;
      }
    }
    if (::testing::Test::HasFailure()) break;
    if (i % 40 == 39) {
      state->reorder(std::array{1, 0});
      swapped = !swapped;
    }
  }
  return state;
}

TEST_P(EveryCausalMixer, says_the_same_step_by_step) {
  expect_same_step_by_step(Ready(kind()), kind().regroups);
}

TEST_P(EveryMixer, shows_weights_that_mix_its_values) {
  const Ready mixer(kind());
  const Segments two = Segments::of_lengths(std::vector<int>{40, 7});
  const Tensor x = random_tensor({two.rows(), width}, Rng(3), DType::float32);
  std::map<std::string, Tensor> shown;
  const Probe probe([&](const std::string& name, const Tensor& value) { shown[name] = value; });
  (*mixer.mixer)(x, two, x, two, {.probe = &probe});
  EXPECT_EQ(shown.count("weights.0") == 1 && shown.count("weights.1") == 1, kind().attends);
  if (shown.count("values") == 0) {
    return;
  }
  const Tensor &values = shown["values"], &mixed = shown["mixed"];
  const int64_t heads = values.size(1), depth = values.size(2);
  for (int s = 0; s < 2; ++s) {
    const Tensor& weights = shown["weights." + std::to_string(s)];
    const int64_t n = two.length(s), begin = two.begin(s);
    ASSERT_EQ(weights.shape(), Shape({heads, n, n}));
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t at = 0; at < heads * depth; ++at) {
        const int64_t head = at / depth;
        double sum = 0;
        for (int64_t j = 0; j < n; ++j) {
          sum += weights.at((head * n + i) * n + j) * values.at((begin + j) * heads * depth + at);
        }
        ASSERT_NEAR(mixed.at((begin + i) * heads * depth + at), sum, 1e-5) << "sequence " << s << ", token " << i;
      }
    }
  }
}

TEST_P(EveryMixer, ends_at_max_positions_where_the_table_says_so) {
  const Ready mixer(kind());
  const auto of_length = [&](int tokens) {
    mixer(Tensor::zeros({tokens, width}), Segments::of_lengths(std::vector<int>{tokens}));
  };
  of_length(longest);
  if (kind().ends_at_max_positions) {
    EXPECT_THROW(of_length(longest + 1), Error);
  } else {
    of_length(longest + 1);
  }
}

TEST_P(EveryMixer, drops_weights_where_the_table_says_so) {
  const Segments one = Segments::of_lengths(std::vector<int>{longest});
  const Tensor x = random_tensor({longest, width}, Rng(3), DType::float32);
  const auto trained = [&](double rate) {
    MixerOptions options = options_of(kind());
    options.dropout = rate;
    return (*Ready(kind(), options).mixer)(x, one, x, one, {.dropout = Rng(4)});
  };
  EXPECT_EQ(same_bits(trained(0), trained(0.5)), !kind().drops_weights);
}

std::vector<std::string> words(bool all) {
  std::vector<std::string> found;
  for (const MixerKind& kind : mixers()) {
    if (all || kind.causal) {
      found.emplace_back(kind.word);
    }
  }
  return found;
}
const auto by_word = [](const auto& row) { return row.param; };
INSTANTIATE_TEST_SUITE_P(Table, EveryMixer, ::testing::ValuesIn(words(true)), by_word);
INSTANTIATE_TEST_SUITE_P(Table, EveryCausalMixer, ::testing::ValuesIn(words(false)), by_word);

TEST(MixerTable, what_sees_the_whole_sequence_says_that_it_cannot_read_its_own_past) {
  for (const char* word : {"lsh", "performer", "linear", "linformer", "nystrom"}) {
    MixerOptions options = options_of(mixer_kind(word));
    options.causal = false;
    EXPECT_EQ(testing::error_of([&] { make_mixer(word, options)->begin(1); }),
              "the mixer " + std::string(word) + " that sees the whole sequence cannot read its own past");
  }
}

MixerOptions window_of(attention::SlidingWindow window, int global_tokens) {
  MixerOptions options{.width = width, .heads = 2, .causal = true, .max_positions = 20};
  options.sparse.window = std::move(window);
  options.sparse.global_tokens = global_tokens;
  return options;
}

TEST(Local, decodes_in_memory_for_what_its_window_can_still_see) {
  for (const int global_tokens : {0, 3, 70}) {
    for (const attention::SlidingWindow& window :
         {attention::SlidingWindow{6}, {6, {1, 3}}, {254}}) {  // with that nothing is kept to spare
      for (const PositionKind positions : {PositionKind::none, PositionKind::alibi, PositionKind::relative,
                                           PositionKind::relative_offset, PositionKind::rotary}) {
        if (window.window > 6 && positions != PositionKind::none) continue;
        SCOPED_TRACE(std::to_string(global_tokens) + " global tokens, window " + std::to_string(window.window) + ", " +
                     std::to_string(window.dilation.size()) + " dilations, positions " +
                     std::to_string(static_cast<int>(positions)));
        MixerOptions options = window_of(window, global_tokens);
        options.positions = positions;
        const int length = 5 + global_tokens + 2 * window.window + 200, reach = window.dilation.empty() ? 1 : 3;
        const auto state = expect_same_step_by_step({mixer_kind("local"), options}, false, length);
        const auto& past = dynamic_cast<const GrowingState&>(*state);
        EXPECT_EQ(past.length(), length);
        EXPECT_LE(past.cache().size(0), 2 * (global_tokens + window.window * reach + 130));
      }
    }
  }
}

// So that what is written does not depend on when tokens were forgotten.
TEST(Local, forgets_without_a_change_of_bits) {
  for (const int leading : {0, 3, 70}) {
    GrowingState some(2, {leading, 51}), all(2);
    attention::Options options;
    options.mask.pattern = attention::SparsePattern{attention::SlidingWindow{100}, {.leading = leading}};
    for (uint64_t i = 0; i < 700; ++i) {
      const auto row = [&](const char* part) {
        return random_tensor({2, 2, 8}, Rng(3).stream(part).stream(i), DType::float32);
      };
      some.append({row("key"), row("value")});
      all.append({row("key"), row("value")});
      ASSERT_TRUE(same_bits(attend_to_past(row("query"), some, options), attend_to_past(row("query"), all, options)))
          << leading << " leading, token " << i;
    }
    EXPECT_LT(some.cache().size(0), all.cache().size(0) / 2);
  }
}

// Beltagy 2020, 3.1: the projections of global tokens begin as copies.
TEST(Local, begins_as_if_global_tokens_had_no_projections_of_their_own) {
  MixerOptions options = window_of({6, {}}, 3);
  options.causal = false;
  const Ready longformer(mixer_kind("local"), options);
  MultiHeadAttention joint(options, sparse_pattern_of("local", options));
  Parameters list = parameters_of(joint, "mixer");
  list.allocate(DType::float32);
  initialise(list, Rng(2));
  const Segments two = Segments::of_lengths(std::vector<int>{40, 9});
  const Tensor x = random_tensor({two.rows(), width}, Rng(3), DType::float32), same = joint(x, two, x, two, {});
  EXPECT_LT(testing::relative_difference(longformer(x, two), same), 1e-6);
  for (const char* part : {"query", "key", "value"}) {
    const std::string name = std::string("mixer.global_") + part + ".weight";
    const Ready other(mixer_kind("local"), options);
    other.list.find(name)->parameter->rows_view(0, 1).fill(1);
    EXPECT_GT(testing::relative_difference(other(x, two), same), 1e-3) << name << " is no parameter of its own";
  }
}

TEST(MixerTable, refuses_to_make_a_causal_mixer_of_what_has_no_causal_form) {
  for (const MixerKind& kind : mixers()) {
    if (!kind.causal) {
      EXPECT_THROW(make_mixer(kind.word, options_of(mixer_kind("scaled_dot"))), UsageError) << kind.word;
    }
  }
}

}  // namespace
}  // namespace attune
