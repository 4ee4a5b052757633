// What an explanation is read as: its texts in three languages, equations, layouts.
#include "attune/explain/render.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "attune/explain/equation.h"
#include "attune/explain/messages.h"
#include "attune/explain/page_forms_test.h"
#include "attune/explain/topics.h"

namespace attune::explain {
namespace {

TEST(Render, every_text_exists_in_three_languages_and_none_is_left_over) {
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
    }
  }
  for (const char* normaliser : {"relu", "relu_mean", "relu_sum", "sigmoid"}) {
    use_all({.loss = "none", .normaliser = normaliser});
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

TEST(Render, steps_are_the_same_in_every_language_and_view) {
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

TEST(Render, equations_turn_round_with_the_convention) {
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

TEST(Render, the_vector_view_writes_the_first_output_out_term_by_term) {
  const std::string text = as_text(explained("scaled_dot"), {.view = View::vector});
  EXPECT_NE(text.find("q_1 = 1·(1, 0) + 0·(1, 1) = (1, 0)"), std::string::npos) << text;
  EXPECT_NE(text.find("b_1 = 0.1978·(1, 2) + 0.4011·(-1, 1) + 0.4011·(0, 3) = (-0.2033, 2.0000)"), std::string::npos)
      << text;
  EXPECT_NE(text.find("α(1,2) = (1·1.0 + 0·0.5) / √d = 0.7071"), std::string::npos) << text;
}

TEST(Render, hostile_tokens_stay_text) {
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

TEST(Render, long_matrices_are_cut_with_a_note_and_json_has_them_all) {
  Given given;
  for (int i = 0; i < 30; ++i) given.tokens.push_back(std::to_string(i));
  const Explanation explanation = explained("mean", given);
  EXPECT_NE(as_text(explanation, {}).find("11 of 30 rows"), std::string::npos);
  const auto steps = nlohmann::json::parse(as_json(explanation, {})).at("steps");
  EXPECT_EQ(steps[0].at("value").size(), 30U);
}

}  // namespace
}  // namespace attune::explain
