#include "attune/explain/explain.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "attune/autograd/gradient_check.h"
#include "attune/autograd/tape.h"
#include "attune/explain/equation.h"
#include "attune/explain/mechanism_page.h"
#include "attune/explain/messages.h"
#include "attune/explain/render.h"
#include "attune/explain/steps_test.h"
#include "attune/explain/topics.h"
#include "attune/nn/mixer.h"
#include "attune/nn/source_attention.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/recurrent_cell.h"
#include "attune/ops/reshape.h"

namespace attune::explain {
namespace {

Explanation explained(const std::string& mechanism, const Given& given = {}) {
  ExplainOptions options;
  options.mechanism = mechanism;
  return explain_mechanism(options, given);
}

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

// The default of a page, and what else its options make of it.
std::vector<ExplainOptions> forms_of(const MechanismPage& page) {
  std::vector<ExplainOptions> forms;
  for (const bool causal : {false, true}) {
    for (const int heads : {0, 2}) {
      for (const bool other : {false, true}) {
        if ((causal && !page.form.causal) || (heads > page.form.most_heads) || (other && !page.form.long_example)) {
          continue;
        }
        ExplainOptions& options = forms.emplace_back();
        options.mechanism = page.word;
        options.causal = causal;
        options.heads = heads;
        if (other) {
          options.global_tokens = 0;
          options.sparse_pattern = "fixed";
          options.feature_kernel = "relu";
          options.features = 24;  // so many that no query is without a positive one
          options.value_kernel = 3;
        }
      }
    }
  }
  return forms;
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

// ---- Texts and layout -------------------------------------------------------------------------------------

TEST(Explain, every_text_exists_in_three_languages_and_none_is_left_over) {
  std::set<std::string_view> ids, used{"word.value",
                                       "word.finite_difference",
                                       "word.largest_difference",
                                       "word.head",
                                       "word.elided",
                                       "word.columns_convention",
                                       "word.first",
                                       "word.tokens",
                                       "word.hidden",
                                       "introduction.unchecked",
                                       "update.higher"};
  const std::vector<Message> all = all_messages();
  for (const Message& each : all) {
    EXPECT_TRUE(ids.insert(each.id).second) << each.id << " stands there twice";
    for (const std::string_view text : {each.english, each.vietnamese, each.russian}) {
      EXPECT_FALSE(text.empty()) << each.id;
      for (const char* argument : {"{0}", "{1}", "{2}", "{3}"}) {
        EXPECT_EQ(text.find(argument) == std::string_view::npos, each.english.find(argument) == std::string_view::npos)
            << each.id << " " << argument;
      }
    }
    EXPECT_NE(each.english, each.russian) << each.id;
    EXPECT_NE(each.english, each.vietnamese) << each.id;
  }
  const auto use = [&](const std::string& id) { used.insert(find_message(id).id); };
  const auto use_all = [&](const ExplainOptions& options) {
    const Explanation explanation = explain_mechanism(options, {});
    use(explanation.title);
    use(explanation.introduction);
    for (const Section& section : explanation.sections) {
      use(section.title);
      for (const Step& step : section.steps) use(step.text);
    }
  };
  for (const MechanismPage& page : mechanism_pages()) {
    for (ExplainOptions options : forms_of(page)) {
      options.loss = "none";  // the shortest
      use_all(options);
      for (const char* normaliser : {"relu", "relu_mean", "relu_sum", "sigmoid"}) {
        options.normaliser = normaliser;
        if (page.form.normalisers) use_all(options);
      }
    }
  }
  for (const char* loss : {"bce", "cross-entropy"}) use_all({.loss = loss});
  for (const Explanation& topic :
       {explain_positions({}), explain_positions({.positions = "relative"}),
        explain_positions({.positions = "relative_offset"}), explain_positions({.positions = "rotary"}),
        explain_positions({.positions = "rotary_halves"}), explain_positions({.positions = "alibi"}),
        explain_initialisers({.width = 8, .layers = 2, .rows = 4}), explain_complexity({}, 1e9)}) {
    use(topic.title);
    use(topic.introduction);
    for (const Section& section : topic.sections) {
      use(section.title);
      for (const Step& step : section.steps) use(step.text);
    }
  }
  for (const char* id :
       {"title.beam", "section.beam", "section.beam.results", "beam.introduction", "beam.step", "beam.results"}) {
    use(id);  // of a search by a trained model: tests/golden_explain_test.cpp
  }
  for (const char* id : {"section.model", "model.E", "model.X", "model.dY", "attention.Z"}) {
    use(id);  // model_module_test.cpp
  }
  EXPECT_EQ(ids, used);
}

TEST(Explain, steps_are_the_same_in_every_language_and_view) {
  const Explanation explanation = explained("scaled_dot");
  const auto json_of = [&](const RenderOptions& options) {
    return nlohmann::json::parse(as_json(explanation, options)).at("steps");
  };
  const auto english = json_of({});
  for (const Language language : {Language::vietnamese, Language::russian}) {
    EXPECT_EQ(json_of({.language = language}), english);
  }
  const auto vector = json_of({.view = View::vector}), column = json_of({.convention = Convention::column});
  ASSERT_EQ(vector.size(), english.size());
  ASSERT_EQ(column.size(), english.size());
  for (size_t i = 0; i < english.size(); ++i) {
    EXPECT_EQ(vector[i].at("value"), english[i].at("value"));
    if (english[i].at("shape").size() == 2) {
      const auto &rows = english[i].at("value"), &columns = column[i].at("value");
      for (size_t r = 0; r < rows.size(); ++r) {
        for (size_t c = 0; c < rows[r].size(); ++c) EXPECT_EQ(rows[r][c], columns[c][r]);
      }
    }
  }
}

TEST(Explain, equations_turn_round_with_the_convention) {
  EXPECT_EQ(plain_equation("S = {Q K'} / sqrt(d)", Convention::row), "S = Q Kᵀ / √d");
  EXPECT_EQ(plain_equation("S = {Q K'} / sqrt(d)", Convention::column), "S = Kᵀ Q / √d");
  EXPECT_EQ(latex_equation("dWq = {X' dQ}", Convention::row), "\\mathrm{d}W_{q} = X^{\\top}\\, \\mathrm{d}Q");
  EXPECT_EQ(latex_equation("dWq = {X' dQ}", Convention::column), "\\mathrm{d}W_{q} = \\mathrm{d}Q\\, X^{\\top}");
  EXPECT_EQ(html_equation("h_1 = o * tanh(c_1)", Convention::row),
            "<i>h</i><sub>1</sub> = <i>o</i> ⊙ tanh(<i>c</i><sub>1</sub>)");
  EXPECT_EQ(html_equation("a < b", Convention::row), "<i>a</i> &lt; <i>b</i>");
  EXPECT_EQ(latex_equation("lse_i = log(sum_j exp(S_ij²))", Convention::row),
            "\\operatorname{lse}_{i} = \\operatorname{log}(\\sum_{j} \\operatorname{exp}(S_{ij}^{2}))");
  EXPECT_EQ(html_equation("dbn = sum_t dq_t", Convention::row),
            "d<i>b</i><sub>n</sub> = Σ<sub>t</sub> d<i>q</i><sub>t</sub>");
  EXPECT_EQ(latex_equation("P_ij + eps", Convention::row), "P_{ij} + \\varepsilon");
  EXPECT_EQ(plain_equation("beta_(1,2) = x", Convention::row), "α'(1,2) = x");
}

TEST(Explain, the_vector_view_writes_the_first_output_out_term_by_term) {
  const std::string text = as_text(explained("scaled_dot"), {.view = View::vector});
  EXPECT_NE(text.find("q_1 = 1·(1, 0) + 0·(1, 1) = (1, 0)"), std::string::npos) << text;
  EXPECT_NE(text.find("b_1 = 0.1978·(1, 2) + 0.4011·(-1, 1) + 0.4011·(0, 3) = (-0.2033, 2.0000)"), std::string::npos)
      << text;
  EXPECT_NE(text.find("α(1,2) = (1·1.0 + 0·0.5) / √d = 0.7071"), std::string::npos) << text;
}

TEST(Explain, hostile_tokens_stay_text) {
  const std::string hostile = "<script>alert(1)</script>", quotes = "\"'&`$\\*_|", rtl = "\u202eabc",
                    control = "\x1b[31m";
  const Given given{.tokens = {hostile, quotes, rtl, control, std::string(10000, 'x')}};
  const Explanation explanation = explained("scaled_dot", given);
  const std::string html = as_html(explanation, {}), markdown = as_markdown(explanation, {}),
                    text = as_text(explanation, {});
  EXPECT_EQ(html.find("<script"), std::string::npos);
  EXPECT_NE(html.find("<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>"), std::string::npos);
  EXPECT_NE(html.find("&quot;"), std::string::npos);
  EXPECT_EQ(html.find('\x1b'), std::string::npos);
  EXPECT_EQ(markdown.find("<script"), std::string::npos);
  EXPECT_EQ(markdown.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  for (const std::string* page : {&html, &markdown, &text}) {
    EXPECT_EQ(page->find(rtl), std::string::npos) << "the rest of the line would be read from the right";
  }
  EXPECT_NE(text.find("<U+202E>abc"), std::string::npos);
  EXPECT_NE(text.find("␛[31m"), std::string::npos);
  EXPECT_EQ(html.find("http"), std::string::npos) << "a page needs nothing from anywhere";
}

TEST(Explain, long_matrices_are_cut_with_a_note_and_json_has_them_all) {
  Given given;
  for (int i = 0; i < 30; ++i) given.tokens.push_back(std::to_string(i));
  const Explanation explanation = explained("mean", given);
  EXPECT_NE(as_text(explanation, {}).find("11 of 30 rows"), std::string::npos);
  const auto steps = nlohmann::json::parse(as_json(explanation, {})).at("steps");
  EXPECT_EQ(steps[0].at("value").size(), 30U);
}

}  // namespace
}  // namespace attune::explain
