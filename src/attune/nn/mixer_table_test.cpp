// What holds for every mixer of the table: a new row is tested here without a line of its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include "attune/base/check.h"
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

// In float32; a step sums in another order.
TEST_P(EveryCausalMixer, says_the_same_step_by_step) {
  const Ready mixer(kind());
  const Segments two = Segments::of_lengths(std::vector<int>{longest, longest});
  const Tensor x = random_tensor({2 * longest, width}, Rng(3), DType::float32), whole = mixer(x, two);
  // What a token says in its sequence, or, where that depends on later ones, at the end of what it has seen.
  const auto said = [&](int sequence, int i) {
    if (!kind().regroups) return whole.rows_view(sequence * longest + i, 1);
    const Tensor seen = x.rows_view(sequence * longest, i + 1).clone();
    return mixer(seen, Segments::of_lengths(std::vector<int>{i + 1})).rows_view(i, 1);
  };
  const auto state = mixer.mixer->begin(2);
  bool swapped = false;
  for (int i = 0; i < longest; ++i) {
    Tensor now = Tensor::zeros({2, width});
    for (int row = 0; row < 2; ++row) {
      const int sequence = swapped ? 1 - row : row;
      std::copy_n(x.data<float>().begin() + (sequence * longest + i) * width, width,
                  now.data<float>().begin() + row * width);
    }
    const Tensor y = mixer.mixer->step(now, *state, {});
    for (int row = 0; row < 2; ++row) {
      const Tensor wanted = said(swapped ? 1 - row : row, i);
      for (int c = 0; c < width; ++c) {
        ASSERT_NEAR(y.at(row * width + c), wanted.at(c), 2e-5) << "token " << i << ", row " << row;
      }
    }
    if (i % 40 == 39) {
      state->reorder(std::array{1, 0});
      swapped = !swapped;
    }
  }
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
