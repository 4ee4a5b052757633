// The page of `attune inspect` in a real browser, offline: it shows what the JSON says, every head can be reached with
// the keyboard, pieces of text stay text, and it is at home on light and dark grounds and on narrow screens.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "attune/inspect/colour_scale.h"
#include "attune/inspect/inspector.h"
#include "attune/inspect/made_model_test.h"
#include "attune/inspect/report.h"
#include "page_test.h"

namespace attune {
namespace {

using nlohmann::json;
using testing::contrast;
using testing::made_model;
using testing::sentence_of;
using testing::tiny;

Inspections look(const ModelConfig& config, const std::vector<InspectRequest>& requests,
                 const InspectOptions& options) {
  std::vector<std::string> texts;
  for (const InspectRequest& request : requests) {
    texts.push_back(request.source);
    texts.push_back(request.target.value_or(""));
  }
  const LoadedModel loaded = made_model(config, texts);
  Inspection inspection = inspection_of(*loaded.model, "made", options);
  for (const InspectRequest& request : requests) {
    inspection.sentences.push_back(inspect(loaded, request, options));
  }
  return {{std::move(inspection)}, false};
}

class InspectPage : public testing::PageTest {
 protected:
  static void open(const Inspections& inspections, const InspectionTextOptions& options = {}) {
    open_text(to_html(inspections, options),
              "document.documentElement?.dataset.ready === 'true' || "
              "document.getElementById('problem')?.hidden === false");
    ASSERT_EQ(text("#problem"), "");
  }
  static void choose(const std::string& id, const std::string& value) {
    browser->evaluate("(() => { const e = document.getElementById('" + id + "'); e.value = " + in_quotes(value) +
                      "; e.dispatchEvent(new Event('change')); })()");
  }
};

// The maps of one kind of a document's first sentence and hypothesis.
std::vector<json> maps_of(const json& document, const std::string& kind) {
  std::vector<json> found;
  const json& sentence = document["models"][0]["sentences"][0];
  for (const json* list : {&sentence["maps"], &sentence["hypotheses"][0]["maps"]}) {
    for (const json& map : *list) {
      if (map["kind"] == kind) {
        found.push_back(map);
      }
    }
  }
  return found;
}

// Goes through a kind's heads with the arrow keys and through the weights of each.
class InspectPageKeys : public InspectPage {
 protected:
  static void expect_map(const json& map) {
    ASSERT_TRUE(within("#large"));
    browser->press("Home");
    for (size_t i = 0; i < map["queries"]; ++i) {
      for (size_t j = 0; j < map["keys"]; ++j) {
        const json& cell = map["weights"][i][j];
        const std::string shown = text("#weight");
        if (cell.is_null()) {
          EXPECT_EQ(shown, "masked");
        } else {
          EXPECT_EQ(json::parse(shown).get<double>(), cell.get<double>()) << i << " " << j;
        }
        browser->press("ArrowRight");
      }
      browser->press("Home");
      browser->press("ArrowDown");
    }
  }
  static void to_first_row(const json& map) {
    for (size_t i = 0; i < map["queries"]; ++i) {
      browser->press("ArrowUp");
    }
  }
};

TEST_F(InspectPageKeys, reach_every_head_of_every_kind_and_show_the_weights_of_the_json) {
  const Inspections inspection = look(tiny("transformer"), {{"a b", "d", {}}}, {});
  const json document = json::parse(to_json(inspection));
  open(inspection);
  std::set<std::string> kinds;
  ASSERT_TRUE(tab_to("#kinds"));
  while (true) {
    const std::string kind = value_of("document.activeElement.value");
    if (!kinds.insert(kind).second) {
      break;  // once around
    }
    SCOPED_TRACE(kind);
    const std::vector<json> maps = maps_of(document, kind);
    ASSERT_TRUE(tab_to("#overview"));
    browser->press("Home");
    for (size_t m = 0; m < maps.size(); ++m) {
      EXPECT_EQ(value_of("document.activeElement.dataset.map"), std::to_string(m));
      const std::string head = maps[m]["head"].is_null() ? "" : ", head " + maps[m]["head"].dump();
      EXPECT_TRUE(text("#head-title").ends_with(", layer " + maps[m]["layer"].dump() + head)) << text("#head-title");
      EXPECT_NE(text("#figures").find("Entropy " + maps[m]["entropy"].dump()), std::string::npos);
      browser->press("Enter");
      to_first_row(maps[m]);
      expect_map(maps[m]);
      browser->press("Escape");
      ASSERT_TRUE(within("#overview"));
      browser->press("ArrowRight");
    }
    ASSERT_TRUE(tab_to("#kinds", true));
    browser->press("ArrowRight");
  }
  EXPECT_EQ(kinds, (std::set<std::string>{"encoder", "decoder", "cross", "encoder_rollout", "decoder_rollout",
                                          "source_rollout"}));
}

TEST_F(InspectPage, shows_the_weight_under_the_pointer) {
  const Inspections inspection = look(tiny("bahdanau"), {{"a b c d", "d e f", {}}}, {});
  const json map = maps_of(json::parse(to_json(inspection)), "cross").at(0);
  open(inspection);
  value_of("document.getElementById('cells').scrollIntoView()");
  const json box = value_of(
      "(() => { const b = document.getElementById('cells').getBoundingClientRect(); "
      "return [b.left, b.top, b.width, b.height]; })()");
  const auto at = [&](size_t n) { return box[n].get<double>(); };
  for (size_t i = 0; i < 4; ++i) {
    for (size_t j = 0; j < 5; ++j) {
      browser->point(at(0) + at(2) * (static_cast<double>(j) + 0.5) / 5,
                     at(1) + at(3) * (static_cast<double>(i) + 0.5) / 4);
      EXPECT_EQ(json::parse(text("#weight")), map["weights"][i][j]);
    }
  }
}

TEST_F(InspectPage, shows_what_a_mechanism_has_in_place_of_weights) {
  ModelConfig config = tiny("transformer");
  config.encoder_mixer = "linformer", config.projected_length = 3;
  const Inspections inspection = look(config, {{"a b c d", "e f", {}}}, {});
  const json parts = json::parse(to_json(inspection))["models"][0]["sentences"][0]["parts"];
  open(inspection);
  EXPECT_EQ(value_of("document.getElementById('inside').hidden"), true) << "cross-attention has weights";
  browser->evaluate("document.querySelector('#kinds input[value=encoder]').click()");
  EXPECT_EQ(value_of("document.getElementById('inside').hidden"), false);
  EXPECT_EQ(value_of("document.querySelectorAll('#parts .card').length"), 3);
  EXPECT_EQ(json::parse(text("#parts .card .pointed b")), parts[0]["values"][0][0]) << "of the chosen head";
}

TEST_F(InspectPage, shows_the_bucket_and_the_chunk_of_each_piece_in_each_round) {
  ModelConfig config = tiny("transformer");
  config.encoder_mixer = config.decoder_mixer = "lsh", config.lsh_chunk = 2;
  const Inspections inspection = look(config, {{"a <b> c d", "e f", {}}}, {});
  const json sentence = json::parse(to_json(inspection))["models"][0]["sentences"][0];
  open(inspection);
  for (const std::string kind : {"encoder", "decoder"}) {
    browser->evaluate("document.querySelector('#kinds input[value=" + kind + "]').click()");
    EXPECT_EQ(value_of("[...document.querySelectorAll('#parts h3')].map((e) => e.textContent)"),
              (json{"Buckets", "Chunks"}));
    const json& parts = (kind == "encoder" ? sentence : sentence["hypotheses"][0])["parts"];
    for (size_t card = 0; card < 2; ++card) {
      const json& values = parts[card * 2]["values"];  // of layer 0, head 0
      EXPECT_EQ(parts[card * 2]["name"], card == 0 ? "buckets" : "chunks");
      const std::string rows =
          "[...document.querySelectorAll('#parts .card')][" + std::to_string(card) + "].querySelectorAll('tbody tr')";
      EXPECT_EQ(value_of("[..." + rows +
                         "].map((row) => [...row.querySelectorAll('td')].map((cell) => "
                         "Number(cell.textContent)))"),
                values);
      EXPECT_EQ(value_of(rows + "[1].querySelector('th').textContent"), kind == "encoder" ? "<b>" : "e");
    }
  }
}

TEST_F(InspectPage, has_a_signed_scale_where_projections_imply_negative_weights) {
  ModelConfig config = tiny("transformer");
  config.encoder_mixer = "linformer", config.projected_length = 2;
  const Inspections inspection = look(config, {{"a b c d", "e f", {}}}, {});
  ASSERT_TRUE(inspection.models[0].sentences[0].maps[0].has_negative());
  open(inspection);
  EXPECT_EQ(text("#smallest"), "0") << "cross-attention";
  EXPECT_EQ(text("#direction").find("negative"), std::string::npos);
  browser->evaluate("document.querySelector('#kinds input[value=encoder]').click()");
  EXPECT_EQ(text("#smallest"), "−" + text("#largest"));
  EXPECT_NE(text("#direction").find("some are negative"), std::string::npos);
  EXPECT_NE(text("#figures").find("Entropy"), std::string::npos);
}

TEST_F(InspectPage, keeps_hostile_pieces_as_text) {
  const std::vector<std::string> words{"<script>window.hacked=1</script>",
                                       "</script><script>window.hacked=1</script>",
                                       "\"><svg/onload=window.hacked=1>",
                                       "<img/src=x/onerror=window.hacked=1>",
                                       "'`${window.hacked=1}",
                                       "&lt;b&gt;&amp;",
                                       "שלום",
                                       "\u202Egnihton",
                                       "__proto__",
                                       "ATTUNE_DATA",
                                       std::string(10000, 'x')};
  std::string line;
  for (const std::string& word : words) {
    line += (line.empty() ? "" : " ") + word;
  }
  open(look(tiny("transformer"), {{line, line, {}}, {words[0], words[1], {}}}, {}));
  for (const bool whole_words : {false, true}) {
    browser->evaluate("(() => { const e = document.getElementById('words'); e.checked = " +
                      std::string(whole_words ? "true" : "false") + "; e.dispatchEvent(new Event('change')); })()");
    for (size_t i = 0; i < words.size(); ++i) {
      for (const char* id : {"key-labels", "query-labels"}) {
        EXPECT_EQ(value_of("document.getElementById('" + std::string(id) + "').children[" + std::to_string(i) +
                           "].textContent"),
                  words[i]);
      }
      EXPECT_EQ(text("#steps tr:nth-child(" + std::to_string(i + 1) + ") bdi"), words[i]);
    }
  }
  EXPECT_EQ(text("#source"), line);
  EXPECT_EQ(value_of("typeof window.hacked"), "undefined");
  EXPECT_EQ(value_of("document.querySelectorAll('script').length"), 2);
  EXPECT_EQ(value_of("document.querySelectorAll('img').length"), 0);
  for (const int width : {400, 1200}) {
    browser->size(width, 900);
    EXPECT_LE(value_of("document.documentElement.scrollWidth"), width);
  }
}

TEST_F(InspectPage, is_readable_on_light_and_dark_grounds) {
  const Inspections inspection = look(tiny("transformer"), {{"a b c d", "d e f", {}}}, {});
  std::set<std::string> grounds;
  for (const char* scheme : {"light", "dark"}) {
    browser->prefer(scheme);
    open(inspection);
    const auto colour = [&](const std::string& selector, const std::string& property) {
      return value_of("getComputedStyle(document.querySelector('" + selector + "'))['" + property + "']")
          .get<std::string>();
    };
    const std::string ground = colour("body", "backgroundColor");
    grounds.insert(ground);
    EXPECT_GT(contrast(ground, colour("h1", "color")), 7);
    EXPECT_GT(contrast(ground, colour(".quiet", "color")), 4.5);
    EXPECT_GT(contrast(ground, colour("#translation", "color")), 4.5);
    // The scale: a weight of 0 is near the ground, the largest far from it.
    const std::string gradient = colour("#gradient", "backgroundImage");
    const size_t first = gradient.find("rgb("), last = gradient.rfind("rgb(");
    EXPECT_LT(contrast(ground, gradient.substr(first, gradient.find(')', first) + 1 - first)), 1.3);
    EXPECT_GT(contrast(ground, gradient.substr(last, gradient.find(')', last) + 1 - last)), 9);
  }
  EXPECT_EQ(grounds.size(), 2U);
}

TEST_F(InspectPage, draws_the_scale_of_the_svg) {
  open(look(tiny("luong"), {{"a b", "c d", {}}}, {}));
  const std::string gradient = value_of("getComputedStyle(document.getElementById('gradient')).backgroundImage");
  size_t at = 0;
  for (int i = 0; i <= 16; ++i) {
    at = gradient.find("rgb(", at);
    ASSERT_NE(at, std::string::npos);
    int red = 0, green = 0, blue = 0;
    ASSERT_EQ(std::sscanf(gradient.c_str() + at, "rgb(%d, %d, %d)", &red, &green, &blue), 3);
    EXPECT_EQ(fmt::format("#{:02x}{:02x}{:02x}", red, green, blue), scale_colour(std::round(255 * i / 16.0) / 255));
    ++at;
  }
}

TEST_F(InspectPage, fits_a_screen_of_400_pixels) {
  browser->size(400, 800);
  InspectOptions options;
  options.search.n_best = 3;
  const std::string text = sentence_of(30);
  const LoadedModel loaded = made_model(tiny("transformer"), {text});
  Inspection inspection = inspection_of(*loaded.model, std::string(200, 'n'), options);
  inspection.sentences.push_back(inspect(loaded, {text, text, {}}, options));
  inspection.sentences.push_back(inspect(loaded, {text, {}, {}}, options));
  open({{inspection}, false});
  for (const char* sentence : {"0", "1"}) {
    choose("sentence", sentence);
    EXPECT_LE(value_of("document.documentElement.scrollWidth"), 400);
  }
  // What is wider than the screen scrolls by itself.
  EXPECT_GT(value_of("document.getElementById('large').scrollWidth"),
            value_of("document.getElementById('large').clientWidth"));
}

TEST_F(InspectPage, changes_sentence_and_hypothesis) {
  InspectOptions options;
  options.search.n_best = 3;
  options.search.max_decoding_length = 4;
  const LoadedModel loaded = made_model(tiny("transformer"), {"a b c d", "e f g"});
  Inspection inspection = inspection_of(*loaded.model, "made", options);
  inspection.sentences.push_back(inspect(loaded, {"a b c", {}, {}}, options));
  inspection.sentences.push_back(inspect(loaded, {"f g", {}, {}}, options));
  open({{inspection}, false});
  for (size_t s = 0; s < 2; ++s) {
    choose("sentence", std::to_string(s));
    EXPECT_EQ(text("#source"), inspection.sentences[s].text);
    for (size_t h = 0; h < 3; ++h) {
      choose("hypothesis", std::to_string(h));
      const InspectedHypothesis& hypothesis = inspection.sentences[s].hypotheses[h];
      EXPECT_EQ(text("#translation"), hypothesis.text);
      EXPECT_EQ(value_of("document.querySelectorAll('#steps tr').length"), hypothesis.steps.size());
      EXPECT_EQ(value_of("document.querySelectorAll('#query-labels > div').length"), hypothesis.written.size());
    }
  }
}

TEST_F(InspectPage, merges_pieces_to_words_as_alignments_do) {
  Inspections inspection = look(tiny("luong"), {{"a b c", "d e f", {}}}, {});
  InspectedSentence& sentence = inspection.models[0].sentences[0];
  sentence.source[1].word = 0;  // a b | c | </s>
  sentence.source[2].word = 1;
  sentence.hypotheses[0].written[2].word = 1;  // d | e f | </s>
  const AttentionMap& map = sentence.hypotheses[0].maps[0];
  open(inspection);
  browser->evaluate("document.getElementById('words').click()");
  EXPECT_EQ(value_of("[...document.querySelectorAll('#key-labels > div')].map((e) => e.textContent)"),
            (json{"ab", "c", "</s>"}));
  EXPECT_EQ(value_of("[...document.querySelectorAll('#query-labels > div')].map((e) => e.textContent)"),
            (json{"d", "ef", "</s>"}));
  browser->evaluate("document.getElementById('large').focus()");
  browser->press("ArrowDown");
  const float mean = (map.weight(1, 0) + map.weight(1, 1) + map.weight(2, 0) + map.weight(2, 1)) / 2;
  EXPECT_NEAR(json::parse(text("#weight")).get<double>(), static_cast<double>(mean), 2e-6);
}

TEST_F(InspectPage, says_what_long_rows_leave_out) {
  const Inspections inspection = look(tiny("transformer"), {{sentence_of(20), sentence_of(20), {}}}, {});
  open(inspection, {.top_k = 6});
  EXPECT_EQ(value_of("document.getElementById('left-out-note').hidden"), false);
  EXPECT_NE(text("#left-out-note").find("the 6 largest"), std::string::npos) << text("#left-out-note");
  const json map = maps_of(json::parse(to_json(inspection, {.top_k = 6})), "cross").at(0);
  std::map<size_t, double> kept;
  for (const json& cell : map["largest"][0]) {
    kept[cell[0]] = cell[1];
  }
  browser->evaluate("document.getElementById('large').focus()");
  for (size_t j = 0; j < 21; ++j) {
    if (kept.count(j) == 1) {
      EXPECT_EQ(json::parse(text("#weight")).get<double>(), kept[j]);
    } else {
      EXPECT_EQ(text("#weight"), "among the " + map["left_out"][0].dump() + " left out");
    }
    browser->press("ArrowRight");
  }
}

TEST_F(InspectPage, says_that_a_model_has_no_attention_and_shows_what_it_has) {
  for (const testing::Form& form : testing::forms()) {
    if (form.name.find('.') != std::string::npos) {
      continue;  // each architecture once
    }
    SCOPED_TRACE(form.name);
    const Inspections inspection = look(form.config, {{"a b c", "d e", {}}}, {});
    open(inspection);
    const bool none = inspection.models[0].sentences[0].hypotheses[0].maps.empty();
    EXPECT_EQ(value_of("document.getElementById('nothing').hidden"), !none);
    EXPECT_EQ(value_of("document.getElementById('attention').hidden"), none);
    EXPECT_EQ(value_of("document.getElementById('alignment').hidden"), none);
    EXPECT_EQ(value_of("document.querySelectorAll('#steps tr').length"), 3);
  }
}

TEST_F(InspectPage, shows_the_same_head_of_several_models_and_of_checkpoints) {
  Inspections both = look(tiny("transformer"), {{"a b c", "d e", {}}}, {});
  const Inspections second = look(tiny("luong"), {{"a b c", "d e", {}}}, {}),
                    third = look(tiny("gru"), {{"a b c", "d e", {}}}, {});
  both.models.push_back(second.models[0]);
  both.models.push_back(third.models[0]);
  const json document = json::parse(to_json(both));
  const json first_map = maps_of(document, "cross").at(0);
  const json other_map = maps_of({{"models", {document["models"][1]}}}, "cross").at(0);
  open(both);
  EXPECT_EQ(value_of("document.getElementById('checkpoint-chooser').hidden"), true);
  EXPECT_EQ(value_of("document.querySelectorAll('#cards .card').length"), 3);
  browser->evaluate("document.getElementById('large').focus()");
  browser->press("ArrowDown");
  browser->press("ArrowRight");
  EXPECT_EQ(text("#cards .card:nth-child(1) b"), first_map["weights"][1][1].dump());
  EXPECT_EQ(text("#cards .card:nth-child(2) b"), other_map["weights"][1][1].dump());
  EXPECT_NE(text("#cards .card:nth-child(3)").find("no attention"), std::string::npos);
  for (const char* model : {"1", "2", "0"}) {
    choose("chosen-model", model);
    EXPECT_EQ(value_of("document.getElementById('attention').hidden"), std::string(model) == "2");
  }

  both.checkpoints = true;
  both.models[0].name = "step 1", both.models[1].name = "step 2", both.models[2] = both.models[0];
  both.models[2].name = "step 3";
  open(both);
  EXPECT_EQ(text("#checkpoint-name"), "step 3");
  EXPECT_EQ(value_of("document.getElementById('model-chooser').hidden"), true);
  browser->evaluate("document.getElementById('checkpoint').focus()");
  browser->press("ArrowLeft");
  EXPECT_EQ(text("#checkpoint-name"), "step 2");
  EXPECT_EQ(json::parse(text("#weight")), other_map["weights"][0][0]);
  browser->press("ArrowLeft");
  EXPECT_EQ(text("#checkpoint-name"), "step 1");
}

TEST_F(InspectPage, shows_signed_attributions) {
  InspectOptions options;
  options.attribution = true;
  const Inspections inspection = look(tiny("transformer"), {{"a b c", "d e", {}}}, options);
  const json document = json::parse(to_json(inspection));
  open(inspection);
  EXPECT_EQ(value_of("document.querySelectorAll('#kinds input').length"), 12);
  for (const char* kind :
       {"encoder_gradient", "decoder_gradient", "cross_gradient", "removal", "attention_gradient", "input_gradient"}) {
    SCOPED_TRACE(kind);
    browser->evaluate("document.querySelector('#kinds input[value=" + std::string(kind) + "]').click()");
    const json map = maps_of(document, kind).at(0);
    browser->evaluate("document.getElementById('large').focus()");
    browser->press("Home");
    for (int i = 0; i < 4; ++i) {
      browser->press("ArrowUp");
    }
    double largest = 0;
    for (size_t i = 0; i < map["queries"]; ++i) {
      for (size_t j = 0; j < map["keys"]; ++j) {
        largest = std::max(largest, map["weights"][i][j].is_null() ? 0 : std::abs(map["weights"][i][j].get<double>()));
      }
      EXPECT_EQ(json::parse(text("#weight")).get<double>(), map["weights"][i][0].get<double>());
      browser->press("ArrowDown");
    }
    EXPECT_EQ(json::parse(text("#largest")).get<double>(), largest);
    EXPECT_EQ(text("#smallest"), "−" + text("#largest"));
  }
}

TEST_F(InspectPage, shows_an_encoder_alone_and_what_it_says) {
  Inspection inspection;
  inspection.name = "made";
  inspection.architecture = "classification";
  inspection.encoder_layers = 1;
  InspectedSentence sentence{"good <b>", {{"good", 0}, {"<b>", 1}}, {}, {}, {}};
  AttentionMap map;
  map.queries = map.keys = 2;
  map.weights = {0.75F, 0.25F, 0.5F, 0.5F};
  sentence.maps.push_back(map);
  sentence.answers.push_back({"text", {{"<i>positive", std::log(0.875)}, {"negative", std::log(0.125)}}});
  inspection.sentences.push_back(sentence);
  open({{inspection, inspection}, false});
  EXPECT_EQ(text("#answered tr td:first-child"), "text");
  EXPECT_EQ(text("#answered tr td:nth-child(2)"), "0.8750");
  EXPECT_EQ(text("#answered .choices .chosen bdi"), "<i>positive");
  EXPECT_EQ(text("#weight"), "0.75");
  EXPECT_EQ(text("#model"), "made · classification · 1 layer · 0 parameters");
  for (const std::string hidden : {"next", "alignment", "hypothesis-chooser", "nothing"}) {
    EXPECT_EQ(browser->evaluate("document.getElementById('" + hidden + "').hidden"), true) << hidden;
  }
  EXPECT_EQ(browser->evaluate("document.querySelectorAll('#cards canvas').length"), 2);
}

TEST_F(InspectPage, shows_the_matrices_of_spatial_gating_and_how_near_to_toeplitz_they_are) {
  ModelConfig config = tiny("transformer");
  config.encoder_mixer = "spatial_gating";
  const Inspections inspection = look(config, {{"a b c d e", "d e", {}}}, {});
  const json map = maps_of(json::parse(to_json(inspection)), "encoder_spatial").at(0);
  open(inspection);
  browser->evaluate("document.querySelector('#kinds input[value=encoder_spatial]').click()");
  EXPECT_EQ(text("#figures"), "Toeplitz " + map["toeplitz"].dump());
  EXPECT_EQ(text("#overview button i").substr(0, 9), "Toeplitz ");
  EXPECT_EQ(json::parse(text("#weight")).get<double>(), map["weights"][0][0].get<double>());
  EXPECT_EQ(map["weights"].size(), 6U);
}

TEST_F(InspectPage, shows_gold_links_and_the_error_of_each_head) {
  const GoldAlignment gold{{{0, 0}, {1, 1}}, {{0, 0}, {1, 1}}};
  const Inspections inspection = look(tiny("transformer"), {{"a b", "c d", gold}}, {});
  open(inspection);
  EXPECT_EQ(value_of("document.querySelectorAll('#links .gold').length"), 2);
  const json map = maps_of(json::parse(to_json(inspection)), "cross").at(0);
  EXPECT_NE(text("#figures").find(fmt::format("alignment error {:.1f} %", 100 * map["alignment_error"].get<double>())),
            std::string::npos)
      << text("#figures");
}

}  // namespace
}  // namespace attune
