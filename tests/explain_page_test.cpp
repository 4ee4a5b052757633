// The page of `attune explain` in a real browser, offline: it shows the numbers of the JSON, tokens stay text, and it
// is at home on light and dark grounds and on narrow screens.
#include <cmath>
#include <set>

#include "attune/explain/explain.h"
#include "attune/explain/mechanism_page.h"
#include "attune/explain/render.h"
#include "page_test.h"

namespace attune {
namespace {

using explain::ExplainOptions;
using explain::Explanation;
using explain::Given;
using explain::RenderOptions;
using nlohmann::json;
using testing::contrast;

class ExplainPage : public testing::PageTest {
 protected:
  static void open(const Explanation& explanation, const RenderOptions& options = {}) {
    open_text(explain::as_html(explanation, options), "document.querySelector('main')");
  }
  static void expect_to_fit(int width) {
    browser->size(width, 800);
    EXPECT_LE(value_of("document.documentElement.scrollWidth"), width);
  }
};

Explanation explained(const std::string& mechanism, const Given& given = {}) {
  ExplainOptions options;
  options.mechanism = mechanism;
  return explain::explain_mechanism(options, given);
}

TEST_F(ExplainPage, shows_the_numbers_of_the_json) {
  for (const char* mechanism : {"scaled_dot", "additive", "lstm"}) {
    SCOPED_TRACE(mechanism);
    const Explanation explanation = explained(mechanism);
    open(explanation, {.precision = 6});
    const json steps = json::parse(explain::as_json(explanation, {}))["steps"];
    const json shown = value_of(
        "[...document.querySelectorAll('section.step')].map((step) => ({ name: step.dataset.step, cells: "
        "[...step.querySelector('tbody').querySelectorAll('td')].map((cell) => cell.textContent) }))");
    ASSERT_EQ(shown.size(), steps.size());
    for (size_t i = 0; i < steps.size(); ++i) {
      EXPECT_EQ(shown[i]["name"], steps[i]["name"]);
      std::vector<double> numbers;
      for (const json& part : steps[i]["value"].flatten()) {
        numbers.push_back(part.is_null() ? NAN : part.get<double>());
      }
      ASSERT_EQ(shown[i]["cells"].size(), numbers.size()) << steps[i]["name"];
      for (size_t n = 0; n < numbers.size(); ++n) {
        const std::string cell = shown[i]["cells"][n];
        if (std::isnan(numbers[n])) {
          EXPECT_EQ(cell, "·");
        } else {
          EXPECT_NEAR(std::stod(cell), numbers[n], 1e-6) << steps[i]["name"];
        }
      }
    }
  }
}

TEST_F(ExplainPage, keeps_hostile_tokens_as_text) {
  const std::vector<std::string> tokens{"<script>window.hacked=1</script>",
                                        "</section><script>window.hacked=1</script>",
                                        "\"><svg/onload=window.hacked=1>",
                                        "<img/src=x/onerror=window.hacked=1>",
                                        "&lt;b&gt;&amp;",
                                        "שלום",
                                        std::string(10000, 'x'),
                                        "\u202Egnihton"};
  open(explained("scaled_dot", Given{.tokens = tokens}));
  const json labels =
      value_of("[...document.querySelector('[data-step=X]').querySelectorAll('tbody th')].map((e) => e.textContent)");
  ASSERT_EQ(labels.size(), tokens.size());
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    EXPECT_EQ(labels[i], tokens[i]);
  }
  EXPECT_EQ(labels.back(), "<U+202E>gnihton");
  EXPECT_EQ(value_of("typeof window.hacked"), "undefined");
  EXPECT_EQ(value_of("document.querySelectorAll('script, img, svg').length"), 0);
  expect_to_fit(400);
  expect_to_fit(1200);
}

TEST_F(ExplainPage, is_readable_on_light_and_dark_grounds_in_every_language_and_view) {
  std::set<std::string> grounds, languages;
  for (const char* scheme : {"light", "dark"}) {
    browser->prefer(scheme);
    for (const auto language :
         {explain::Language::english, explain::Language::vietnamese, explain::Language::russian}) {
      for (const auto view : {explain::View::matrix, explain::View::vector}) {
        open(explained("scaled_dot"), {.language = language, .view = view});
        const auto colour = [&](const std::string& selector, const std::string& property) {
          return value_of("getComputedStyle(document.querySelector('" + selector + "'))['" + property + "']")
              .get<std::string>();
        };
        const std::string ground = colour("body", "backgroundColor"), card = colour("section.step", "backgroundColor");
        grounds.insert(ground);
        languages.insert(value_of("document.documentElement.lang"));
        EXPECT_GT(contrast(ground, colour("h1", "color")), 7);
        EXPECT_GT(contrast(card, colour("h3", "color")), 7);
        EXPECT_GT(contrast(card, colour("section.step th", "color")), 4.5);
        EXPECT_GT(contrast(card, colour("p.note", "color")), 4.5);
        EXPECT_GT(contrast(ground, colour("nav a", "color")), 4.5);
      }
    }
  }
  EXPECT_EQ(grounds.size(), 2U);
  EXPECT_EQ(languages, (std::set<std::string>{"en", "vi", "ru"}));
}

TEST_F(ExplainPage, of_every_mechanism_fits_a_screen_of_400_pixels) {
  Given given;
  for (int i = 0; i < 12; ++i) given.tokens.push_back("token" + std::to_string(i));
  for (const explain::MechanismPage& page : explain::mechanism_pages()) {
    SCOPED_TRACE(page.word);
    browser->size(400, 800);
    open(explained(std::string(page.word), given));
    EXPECT_LE(value_of("document.documentElement.scrollWidth"), 400);
  }
}

}  // namespace
}  // namespace attune
