#include "attune/explain/explain.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "attune/autograd/gradient_check.h"
#include "attune/autograd/tape.h"
#include "attune/explain/mechanism_page.h"
#include "attune/explain/page_forms_test.h"
#include "attune/explain/steps_test.h"
#include "attune/explain/topics.h"
#include "attune/nn/mixer.h"
#include "attune/nn/source_attention.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/recurrent_cell.h"
#include "attune/ops/reshape.h"

namespace attune::explain {
namespace {

double largest_difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.shape(), b.shape());
  double largest = 0;
  for (int64_t i = 0; i < a.elements(); ++i) {
    const double difference = std::fabs(a.at(i) - b.at(i));
    largest = std::isnan(a.at(i)) && std::isnan(b.at(i)) ? largest
              : std::isnan(difference)                   ? INFINITY
                                                         : std::max(largest, difference);
  }
  return largest;
}

TEST(Explain, every_word_of_the_tables_of_mechanisms_has_a_page) {
  std::set<std::string_view> pages;
  for (const MechanismPage& page : mechanism_pages()) {
    EXPECT_TRUE(pages.insert(page.word).second) << page.word << " has two pages";
  }
  std::set<std::string_view> words;
  for (const MixerKind& kind : mixers()) words.insert(kind.word);
  for (const std::string_view word : score_names()) words.insert(word);
  for (const std::string_view word : reach_names()) words.insert(word);
  words.erase("global");  // all of them, if nothing else is said
  EXPECT_EQ(pages, words) << "a new mechanism needs a page in explain/, an old page its mechanism";
}

TEST(Explain, gradients_of_every_mechanism_are_their_finite_differences) {
  for (const MechanismPage& page : mechanism_pages()) {
    for (const ExplainOptions& options : forms_of(page)) {
      SCOPED_TRACE(std::string(page.word) + (options.causal ? ", causal, " : ", ") + std::to_string(options.heads) +
                   " heads, value kernel " + std::to_string(options.value_kernel));
      std::set<std::string> names;
      int checked = 0;
      for (const Step& step : steps_of(explain_mechanism(options, {}))) {
        EXPECT_TRUE(names.insert(step.name).second) << step.name << " occurs twice";
        if (step.finite_difference) {
          ++checked;
          EXPECT_LT(largest_difference(step.value, step.finite_difference), 1e-9) << step.name;
        }
      }
      EXPECT_TRUE(names.count("dX") == 1) << "nothing reaches X";
      EXPECT_GE(checked, 4);
      EXPECT_TRUE(names.count("L") == 1 && names.count("L_new") == 1);
    }
  }
}

std::vector<double> row_of(const Tensor& x, int64_t row) {
  std::vector<double> numbers;
  for (int64_t j = 0; j < x.columns(); ++j) numbers.push_back(x.at(row * x.columns() + j));
  return numbers;
}

TEST(Explain, sparse_patterns_are_shown_as_they_are_seen) {
  using Row = std::vector<double>;
  const auto local = steps_of(explained("local"));
  const Tensor &seen = step_named(local, "M").value, &p = step_named(local, "P").value;
  EXPECT_EQ(row_of(seen, 4), (Row{1, 0, 0, 1, 1, 1, 0, 0})) << "a window of 2, and the global token";
  for (int64_t i = 0; i < 64; ++i) EXPECT_EQ(p.at(i) > 0, seen.at(i) == 1);
  EXPECT_EQ(step_named(local, "Pg").value.shape(), Shape({1, 8})) << "the global token reads with its own projections";
  const auto sparse = steps_of(explained("sparse"));
  EXPECT_EQ(row_of(step_named(sparse, "M").value, 4), (Row{0, 0, 1, 1, 1, 1, 1, 0})) << "even head";
  EXPECT_EQ(row_of(step_named(sparse, "M").value, 8 + 4), (Row{0, 1, 0, 0, 1, 0, 0, 1})) << "odd head";
  const auto bigbird = steps_of(explained("bigbird"));
  const Tensor &drawn = step_named(bigbird, "R").value, &blocks = step_named(bigbird, "M").value;
  ASSERT_EQ(drawn.shape(), Shape({8, 1}));
  for (int64_t i = 1; i < 8; ++i) {
    Row expected(8, 0);
    for (int64_t j = i - 1; j <= std::min<int64_t>(i + 1, 7); ++j) expected[static_cast<size_t>(j)] = 1;
    expected[0] = expected[static_cast<size_t>(drawn.at(i)) - 1] = 1;
    EXPECT_EQ(row_of(blocks, i), expected) << i;
  }
}

TEST(Explain, linear_forms_agree_and_approximations_stand_beside_what_they_approximate) {
  for (const char* word : {"linear", "performer"}) {
    for (const bool causal : {false, true}) {
      ExplainOptions options;
      options.mechanism = word;
      options.causal = causal;
      const auto steps = steps_of(explain_mechanism(options, {}));
      const Tensor &difference = step_named(steps, "difference").value, &o = step_named(steps, "O").value;
      const double rounding = causal ? 1e-5 : 1e-14;  // steps are float32
      for (int64_t i = 0; i < o.elements(); ++i) {
        EXPECT_LT(std::fabs(difference.at(i)), rounding) << word << i;
      }
    }
  }
  const auto performer = steps_of(explained("performer"));
  const auto cell = [&](const char* name, int64_t i) { return step_named(performer, name).value.at(i); };
  for (int64_t i = 0; i < 8; ++i) {
    for (int64_t j = 0; j < 8; ++j) {
      double dot = 0;
      for (int64_t c = 0; c < 4; ++c) dot += cell("Q", 4 * i + c) * cell("K", 4 * j + c);
      EXPECT_NEAR(cell("exact", 8 * i + j), std::exp(dot / 2), 1e-12);
      EXPECT_NEAR(cell("error", 8 * i + j), cell("U", 8 * i + j) - std::exp(dot / 2), 1e-12);
    }
  }
  ExplainOptions options;
  options.mechanism = "nystrom";
  options.landmarks = 4;
  options.landmark_rounds = 30;
  const auto nystrom = steps_of(explain_mechanism(options, {.tokens = {"one", "two", "three", "four"}}));
  const Tensor& off = step_named(nystrom, "error").value;
  for (int64_t i = 0; i < off.elements(); ++i) EXPECT_LT(std::fabs(off.at(i)), 1e-9) << "a landmark for each token";
  EXPECT_EQ(step_named(steps_of(explained("linformer")), "P").value.shape(), Shape({8, 3}));
}

TEST(Explain, a_gradient_step_lowers_the_loss_of_every_mechanism) {
  for (const MechanismPage& page : mechanism_pages()) {
    const auto steps = steps_of(explained(std::string(page.word)));
    const bool learns = page.word != "dot" && page.word != "local-m";  // those have no weights of their own
    const double before = step_named(steps, "L").value.item(), after = step_named(steps, "L_new").value.item();
    EXPECT_TRUE(learns ? after < before : after == before) << page.word << ": " << before << ", then " << after;
  }
}

TEST(Explain, options_of_scaled_dot_keep_their_finite_differences) {
  for (const char* normaliser : {"softmax", "relu", "relu_mean", "relu_sum", "sigmoid"}) {
    for (const char* loss : {"bce", "cross-entropy", "none"}) {
      ExplainOptions options;
      options.normaliser = normaliser;
      options.loss = loss;
      options.width = 4;
      options.heads = 2;
      options.causal = true;
      SCOPED_TRACE(std::string(normaliser) + ", " + loss);
      const auto steps = steps_of(explain_mechanism(options, {}));
      for (const Step& step : steps) {
        if (step.finite_difference) {
          EXPECT_LT(largest_difference(step.value, step.finite_difference), 1e-9) << step.name;
        }
      }
      EXPECT_EQ(step_named(steps, "P").value.shape(), Shape({2, 3, 3}));
      EXPECT_TRUE(std::isnan(step_named(steps, "S").value.at(1))) << "the first token sees the second";
    }
  }
}

TEST(Explain, patterns_keep_their_finite_differences_with_every_normaliser) {
  for (const char* normaliser : {"relu", "relu_mean", "relu_sum", "sigmoid"}) {
    for (const char* mechanism : {"local", "bigbird"}) {
      ExplainOptions options;
      options.mechanism = mechanism, options.normaliser = normaliser, options.loss = "none";
      options.global_tokens = 0;
      SCOPED_TRACE(std::string(mechanism) + ", " + normaliser);
      const auto steps = steps_of(explain_mechanism(options, {}));
      for (const Step& step : steps) {
        if (step.finite_difference) {
          EXPECT_LT(largest_difference(step.value, step.finite_difference), 1e-9) << step.name;
        }
      }
      double seen = 0, sum = 0;  // of a row in the middle
      for (int64_t j = 3 * 8; j < 4 * 8; ++j) {
        seen += step_named(steps, "M").value.at(j), sum += step_named(steps, "P").value.at(j);
        EXPECT_TRUE(step_named(steps, "M").value.at(j) == 1 || step_named(steps, "P").value.at(j) == 0);
      }
      EXPECT_EQ(seen, *mechanism == 'l' ? 3 : 5);
      EXPECT_GT(std::fabs(sum - 1), std::string(normaliser) == "relu_sum" ? 0 : 0.01);
    }
  }
}

TEST(Explain, a_causal_spatial_gate_hides_what_it_does_not_read_and_keeps_its_finite_differences) {
  ExplainOptions options;
  options.mechanism = "spatial_gating";
  options.causal = true;
  const auto steps = steps_of(explain_mechanism(options, {}));
  const Tensor &w = step_named(steps, "W").value, &dw = step_named(steps, "dW").value;
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < 3; ++j) {
      EXPECT_EQ(std::isnan(w.at(3 * i + j)), j > i);
      EXPECT_EQ(dw.at(3 * i + j) == 0, j > i);
    }
  }
  for (const Step& step : steps) {
    if (step.finite_difference) {
      EXPECT_LT(largest_difference(step.value, step.finite_difference), 1e-9) << step.name;
    }
  }
}

TEST(Explain, parts_and_the_long_way_add_up) {
  const auto steps = steps_of(explained("scaled_dot"));
  const auto value = [&](const char* name, int64_t i) { return step_named(steps, name).value.at(i); };
  for (int64_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(value("dX", i), value("dX_q", i) + value("dX_k", i) + value("dX_v", i), 1e-15);
  }
  for (int64_t j = 0; j < 3; ++j) {
    EXPECT_NEAR(value("dP_1 J_1", j), value("dS", j), 1e-15);
    EXPECT_LT(std::fabs(value("difference", j)), 1e-15);
    EXPECT_NEAR(value("J_1", 3 * j) + value("J_1", 3 * j + 1) + value("J_1", 3 * j + 2), 0, 1e-15);
  }
}

TEST(Explain, integer_weights_are_zeros_and_ones) {
  ExplainOptions options;
  options.integer_weights = true;
  options.width = 3;
  const auto steps = steps_of(explain_mechanism(options, {}));
  std::set<double> seen;
  for (const char* name : {"X", "Wq", "Wk", "Wv"}) {
    for (int64_t i = 0; i < 9; ++i) seen.insert(step_named(steps, name).value.at(i));
  }
  EXPECT_EQ(seen, (std::set<double>{0, 1}));
}

TEST(Explain, equal_words_have_equal_vectors_and_the_seed_decides) {
  ExplainOptions options;
  const Given given{.tokens = {"wind", "like", "wind"}};
  const Tensor x = step_named(steps_of(explain_mechanism(options, given)), "X").value;
  ASSERT_EQ(x.shape(), Shape({3, 4}));
  for (int64_t c = 0; c < 4; ++c) {
    EXPECT_EQ(x.at(c), x.at(8 + c));
  }
  const Tensor again = step_named(steps_of(explain_mechanism(options, given)), "X").value;
  EXPECT_EQ(largest_difference(x, again), 0);
  options.seed = 2;
  EXPECT_GT(largest_difference(x, step_named(steps_of(explain_mechanism(options, given)), "X").value), 0);
}

TEST(Explain, recording_changes_no_bit) {
  const Segments queries = Segments::of_lengths(std::vector{3, 5}), keys = Segments::of_lengths(std::vector{4, 5});
  attention::Options attending;
  attending.mask.causal = true;
  attending.dropout = {0.3, Rng(4)};
  const auto run = [&](bool recorded) {
    const Tensor q = random_tensor({8, 2, 3}, Rng(1)), k = random_tensor({9, 1, 3}, Rng(2)),
                 v = random_tensor({9, 1, 3}, Rng(3));
    int rows = 0;
    std::optional<Recorder> recorder;
    if (recorded) recorder.emplace([&](const Recorder::Row& row) { rows += row.values.empty() ? 0 : 1; });
    Tape tape;
    for (const Tensor& x : {q, k, v}) tape.watch(x);
    const Tensor out = attention::scaled_dot_definition(q, k, v, queries, keys, attending).out;
    const Tensor state = lstm_cell(reshape(out, {4, 12}), random_tensor({4, 3}, Rng(5))).h;
    const Gradients gradients = tape.backward(sum(state));
    EXPECT_EQ(rows > 0, recorded);
    return std::vector{out, state, gradients.of(q), gradients.of(k), gradients.of(v)};
  };
  const auto with = run(true), without = run(false);
  for (size_t i = 0; i < with.size(); ++i) {
    EXPECT_EQ(largest_difference(with[i], without[i]), 0) << i;
  }
}

// Z by hand: a query reads rows that are not its own.
TEST(Explain, cross_attention_and_biases_keep_their_finite_differences) {
  Given given;
  const auto matrix = [](const Shape& shape, std::initializer_list<double> values) {
    return Tensor::of<double>(shape, values);
  };
  given.matrices = {{"X", matrix({1, 2}, {1, -1})},         {"Z", matrix({3, 2}, {1, 0, 0.5, 2, -1, 1})},
                    {"Wq", matrix({2, 2}, {1, 0.5, 0, 1})}, {"bq", matrix({1, 2}, {0.1, 0.2})},
                    {"bk", matrix({1, 2}, {-0.1, 0.3})},    {"bv", matrix({1, 2}, {0.4, 0})}};
  int checked = 0;
  for (const Section& section : explain_mechanism({}, given).sections) {
    for (const Step& step : section.steps) {
      for (int64_t i = 0; step.finite_difference && i < step.value.elements(); ++i) {
        EXPECT_NEAR(step.value.at(i), step.finite_difference.at(i), 1e-9) << step.name;
      }
      checked += step.finite_difference ? 1 : 0;
      if (step.name == "P") {
        EXPECT_EQ(step.value.shape(), Shape({1, 3}));
      }
    }
  }
  EXPECT_GE(checked, 14);
}

// ---- Topics -----------------------------------------------------------------------------------------------

TEST(ExplainTopics, initialisers_keep_or_lose_the_signal_as_their_papers_say) {
  const auto steps = steps_of(explain_initialisers({.width = 128, .layers = 10, .rows = 64}));
  const Tensor &tanh = step_named(steps, "forward.tanh").value, &relu = step_named(steps, "forward.relu").value;
  const Tensor &back = step_named(steps, "backward.relu").value, &shares = step_named(steps, "histogram").value;
  const auto last = [](const Tensor& x, int kind) { return x.at(10 * x.columns() + kind); };
  const int xavier = 1, he = 2, tiny = 5, large = 6;
  EXPECT_NEAR(last(relu, he), 1, 0.5) << "He's keeps the variance through ReLU";
  EXPECT_LT(last(relu, xavier), 0.01) << "Glorot's halves it in every layer";
  EXPECT_NEAR(back.at(he), 1, 0.7);
  EXPECT_LT(last(tanh, tiny), 1e-6) << "0.02 dies";
  EXPECT_GT(last(tanh, large), 0.5) << "0.2 saturates";
  for (int kind = 0; kind < shares.columns(); ++kind) {
    double sum = 0;
    for (int bin = 0; bin < 11; ++bin) sum += shares.at(bin * shares.columns() + kind);
    EXPECT_NEAR(sum, 100, 1e-9);
  }
}

TEST(ExplainTopics, complexity_is_table_1) {
  const auto steps =
      steps_of(explain_complexity({.length = 81, .width = 10, .kernel_width = 3, .neighbourhood = 9, .heads = 2}, 1e6));
  const auto column = [&](const char* name) {
    std::vector<double> values;
    for (int i = 0; i < 4; ++i) values.push_back(step_named(steps, name).value.at(i));
    return values;
  };
  EXPECT_EQ(column("operations"), (std::vector<double>{65610, 8100, 24300, 7290}));
  EXPECT_EQ(column("sequential"), (std::vector<double>{1, 81, 1, 1}));
  EXPECT_EQ(column("path"), (std::vector<double>{1, 81, 4, 9}));
  EXPECT_NEAR(column("milliseconds")[1], 8.1, 1e-12);
}

TEST(ExplainTopics, complexity_counts_every_mixer_and_what_grows_with_the_length_alone) {
  const auto mixers_at = [](int length) {
    return step_named(steps_of(explain_complexity({.length = length, .width = 64, .heads = 4}, 1e6)), "mixers");
  };
  const Step once = mixers_at(4096), twice = mixers_at(8192);
  ASSERT_EQ(once.labels.rows.size(), mixers().size());
  for (size_t row = 0; row < mixers().size(); ++row) {
    const std::string word(mixers()[row].word);
    EXPECT_EQ(once.labels.rows[row], word);
    const double growth = twice.value.at(static_cast<int64_t>(row)) / once.value.at(static_cast<int64_t>(row));
    if (word == "linear" || word == "performer" || word == "linformer" || word == "local" || word == "bigbird") {
      EXPECT_NEAR(growth, 2, 1e-9) << word;
    }
  }
  EXPECT_EQ(once.value.at(0), 4096.0 * (4 * 64 * 64 + 2 * 64 * 4096));
}

}  // namespace
}  // namespace attune::explain
