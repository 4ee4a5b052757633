#include "attune/inspect/inspection_text.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

#include "attune/inspect/inspector.h"
#include "attune/inspect/made_model_test.h"
#include "attune/inspect/report.h"
#include "attune/nn/mixer.h"

namespace attune {
namespace {

using nlohmann::json;
using testing::made_model;
using testing::sentence_of;
using testing::tiny;

Inspections one_sentence(const ModelConfig& config, const std::string& source, const std::string& target) {
  const LoadedModel loaded = made_model(config, {source, target});
  Inspection inspection = inspection_of(*loaded.model, "made", {});
  inspection.sentences.push_back(inspect(loaded, {source, target, {}}));
  return {{std::move(inspection)}, false};
}

void expect_equal_maps(const json& written, const std::vector<AttentionMap>& maps) {
  ASSERT_EQ(written.size(), maps.size());
  for (size_t m = 0; m < maps.size(); ++m) {
    const AttentionMap& map = maps[m];
    EXPECT_EQ(written[m]["kind"], name_of(map.kind));
    EXPECT_EQ(written[m]["layer"], map.layer);
    EXPECT_EQ(written[m]["head"], map.head < 0 ? json() : json(map.head));
    for (int i = 0; i < map.queries; ++i) {
      for (int j = 0; j < map.keys; ++j) {
        const json& cell = written[m]["weights"][static_cast<size_t>(i)][static_cast<size_t>(j)];
        if (map.is_hidden(i, j)) {
          EXPECT_TRUE(cell.is_null());
        } else {
          const auto weight = static_cast<double>(map.weight(i, j));
          EXPECT_NEAR(cell.get<double>(), weight, 5.1e-6 * std::abs(weight));  // six significant digits
        }
      }
    }
  }
}

TEST(InspectionText, json_has_every_weight_to_six_digits_and_masked_ones_as_null) {
  const Inspections inspection = one_sentence(tiny("transformer"), "a b c d", "e f");
  const json document = json::parse(to_json(inspection));
  EXPECT_EQ(document["models"][0]["architecture"], "transformer");
  const json& sentence = document["models"][0]["sentences"][0];
  EXPECT_EQ(sentence["source"][4], (json{{"piece", "</s>"}, {"word", nullptr}}));
  EXPECT_EQ(sentence["hypotheses"][0]["read"][1], (json{{"piece", "e"}, {"word", 0}}));
  expect_equal_maps(sentence["maps"], inspection.models[0].sentences[0].maps);
  expect_equal_maps(sentence["hypotheses"][0]["maps"], inspection.models[0].sentences[0].hypotheses[0].maps);
  EXPECT_EQ(sentence["hypotheses"][0]["words"].size(), 2U);
  EXPECT_EQ(sentence["hypotheses"][0]["steps"].size(), 3U);
}

TEST(InspectionText, json_has_what_a_mechanism_has_in_place_of_weights) {
  ModelConfig config = tiny("transformer");
  config.encoder_mixer = "nystrom", config.landmarks = 2;
  const Inspections inspection = one_sentence(config, "a b c d", "e f");
  const std::vector<InspectedPart>& parts = inspection.models[0].sentences[0].parts;
  const json sentence = json::parse(to_json(inspection))["models"][0]["sentences"][0], &written = sentence["parts"];
  ASSERT_EQ(written.size(), static_cast<size_t>(3 * config.heads * config.encoder_layers));
  ASSERT_EQ(written.size(), parts.size());
  EXPECT_EQ(written[0]["name"], "token_landmarks");
  EXPECT_EQ(written[0]["values"].size(), 5U);
  EXPECT_EQ(written[0]["rows_are_pieces"], true);
  EXPECT_NEAR(written[0]["values"][4][1], static_cast<double>(parts[0].values[9]), 1e-6);
  EXPECT_FALSE(sentence["hypotheses"][0].contains("parts")) << "the decoder attends as ever";
}

TEST(InspectionText, long_rows_keep_their_largest_weights_and_the_sum_of_the_others) {
  const Inspections inspection = one_sentence(tiny("transformer"), sentence_of(12), sentence_of(3));
  const json map = json::parse(to_json(inspection, {.top_k = 5}))["models"][0]["sentences"][0]["maps"][0];
  const AttentionMap& whole = inspection.models[0].sentences[0].maps[0];
  ASSERT_FALSE(map.contains("weights"));
  ASSERT_EQ(map["largest"].size(), 13U);
  for (int i = 0; i < 13; ++i) {
    const json& row = map["largest"][static_cast<size_t>(i)];
    ASSERT_EQ(row.size(), 5U);
    double sum = map["left_out"][static_cast<size_t>(i)], least = 1;
    for (const json& cell : row) {
      EXPECT_NEAR(cell[1].get<float>(), whole.weight(i, cell[0]), 1e-6);
      sum += cell[1].get<double>();
      least = std::min(least, cell[1].get<double>());
    }
    EXPECT_NEAR(sum, 1, 1e-4);
    int larger = 0;
    for (int j = 0; j < 13; ++j) larger += static_cast<double>(whole.weight(i, j)) > least + 1e-6 ? 1 : 0;
    EXPECT_LE(larger, 4);
  }
}

TEST(InspectionText, csv_has_a_line_for_everything_and_quotes_what_needs_it) {
  const Inspections inspection = one_sentence(tiny("luong"), "a,b \"c", "e f");
  const std::string csv = to_csv(inspection);
  std::istringstream lines(csv);
  std::map<std::string, int> records;
  for (std::string line; std::getline(lines, line);) ++records[line.substr(0, line.find(','))];
  EXPECT_EQ(records["record"], 1);
  EXPECT_EQ(records["weight"], 3 * 3);  // one map of 2 words and </s>
  EXPECT_EQ(records["entropy"], 1);
  EXPECT_EQ(records["log_probability"], 3);
  EXPECT_EQ(records["next"], 3 * 5);
  EXPECT_EQ(records["word_weight"], 4);
  EXPECT_EQ(records["link"], 2);
  EXPECT_NE(csv.find("weight,made,0,0,cross,0,0,0,e,0,\"a,b\","), std::string::npos) << csv;
  EXPECT_NE(csv.find(",1,\"\"\"c\","), std::string::npos);
}

TEST(InspectionText, csv_and_svg_have_what_stands_beside_weights_too) {
  ModelConfig config = tiny("transformer");
  config.encoder_mixer = "lsh", config.lsh_chunk = 2;
  const Inspections hashed = one_sentence(config, "a b c d", "e f");
  const std::string csv = to_csv(hashed), svg = to_svg(hashed);
  for (const InspectedPart& part : hashed.models[0].sentences[0].parts) {
    if (part.layer != 1 || part.head != 1) continue;
    const int number = static_cast<int>(part.value(2, 1));
    const std::string line = part.name + ",made,0,,encoder,1,1,2,c,1,," + std::to_string(number) + "\n";
    EXPECT_NE(csv.find("\n" + line), std::string::npos) << line;
    EXPECT_NE(svg.find("Encoder, " + part.name + ": that of a piece (row)"), std::string::npos);
  }
  size_t written = 0;  // 5 pieces, 2 rounds, buckets and chunks of 2 heads in 2 layers
  for (size_t at = svg.find("middle\""); at != std::string::npos; at = svg.find("middle\"", at + 1)) ++written;
  EXPECT_EQ(written, 5U * 2 * 2 * 2 * 2);
  for (const char* mixer : {"linear", "performer", "linformer", "nystrom"}) {
    config.encoder_mixer = config.decoder_mixer = mixer;
    if (!mixer_kind(mixer).causal) config.decoder_mixer = "scaled_dot";
    config.landmarks = 2, config.features = 3, config.projected_length = 2;
    const Inspections inspection = one_sentence(config, "a b c d", "e f");
    const std::string lines = to_csv(inspection), picture = to_svg(inspection);
    for (const InspectedPart& part : inspection.models[0].sentences[0].parts) {
      EXPECT_NE(lines.find("\n" + part.name + ",made,0,,encoder,"), std::string::npos) << part.name;
    }
    EXPECT_NE(picture.find(">Encoder, "), std::string::npos) << mixer;
    EXPECT_EQ(picture.find(">Decoder, ") == std::string::npos, config.decoder_mixer == "scaled_dot") << mixer;
  }
}

TEST(InspectionText, svg_says_which_colours_are_negative_where_projections_imply_such_weights) {
  ModelConfig config = tiny("transformer");
  config.encoder_mixer = "linformer", config.projected_length = 2;
  const Inspections implied = one_sentence(config, "a b c d", "e f");
  const std::vector<AttentionMap>& maps = implied.models[0].sentences[0].maps;
  ASSERT_TRUE(maps[0].kind == AttentionKind::encoder && maps[0].has_negative());
  const std::string title = "both of the source", negative = title + "; warm: negative", svg = to_svg(implied);
  EXPECT_NE(svg.find(negative), std::string::npos);
  EXPECT_NE(svg.find("Cross-attention: written piece (row) → source (column)<"), std::string::npos);
  const std::string plain = to_svg(one_sentence(tiny("transformer"), "a b c d", "e f"));
  EXPECT_NE(plain.find(title), std::string::npos);
  EXPECT_EQ(plain.find("warm"), std::string::npos);
}

TEST(InspectionText, svg_holds_pieces_as_text) {
  const std::string svg = to_svg(one_sentence(tiny("bahdanau"), "<script>x</script> & \"", "<b> f"));
  EXPECT_EQ(svg.find("<script"), std::string::npos);
  EXPECT_EQ(svg.find("<b>"), std::string::npos);
  EXPECT_NE(svg.find("&lt;script&gt;"), std::string::npos);
  EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
}

std::string unpacked(const std::string& base64) {
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int held = 0;
  for (const char c : base64.substr(0, base64.find('='))) {
    bits = bits << 6U | static_cast<uint32_t>(digits.find(c));
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes += static_cast<char>(bits >> static_cast<unsigned>(held) & 255U);
    }
  }
  std::string text(1U << 22U, '\0');
  uLongf size = text.size();
  EXPECT_EQ(uncompress(reinterpret_cast<Bytef*>(text.data()), &size, reinterpret_cast<const Bytef*>(bytes.data()),
                       bytes.size()),
            Z_OK);
  text.resize(size);
  return text;
}

TEST(Report, holds_the_json_packed_and_no_piece_as_markup) {
  for (const std::string word : {"x", "xy", "xyz"}) {  // all rests of three bytes, in time
    const Inspections inspection = one_sentence(tiny("luong"), "</script><b>" + word, "@STYLE@ ATTUNE_DATA");
    const std::string html = to_html(inspection);
    const std::string opening = "<script type=\"application/octet-stream\" id=\"data\">";
    const size_t begin = html.find(opening) + opening.size();
    EXPECT_EQ(unpacked(html.substr(begin, html.find('<', begin) - begin)), to_json(inspection));
    EXPECT_EQ(html.find("<b>" + word), std::string::npos);
    EXPECT_EQ(html.find("@S"), std::string::npos) << "something was not put into the page";
    EXPECT_EQ(html.find("http:"), html.find("http://www.w3.org/2000/svg")) << "the page must not need a network";
    EXPECT_EQ(html.find("https:"), std::string::npos);
  }
}

TEST(Report, of_50_pieces_6_layers_and_8_heads_stays_below_2_megabytes) {
  ModelConfig config = tiny("transformer");
  config.encoder_layers = config.decoder_layers = 6;
  config.heads = 8, config.width = 64;
  const std::string html = to_html(one_sentence(config, sentence_of(50), sentence_of(50, "v")));
  EXPECT_LT(html.size(), 2'000'000U);
  EXPECT_GT(html.size(), 500'000U);  // it is all there
}

TEST(Report, of_several_hypotheses_with_attribution_keeps_the_largest_weights_to_stay_below_2_megabytes) {
  ModelConfig config = tiny("transformer");
  config.encoder_layers = config.decoder_layers = 6;
  config.heads = 8, config.width = 64;
  Inspections inspections = one_sentence(config, sentence_of(50), sentence_of(50, "v"));
  EXPECT_FALSE(to_small_html(inspections).top_k.has_value());
  InspectedSentence& sentence = inspections.models[0].sentences[0];
  InspectedHypothesis& hypothesis = sentence.hypotheses[0];
  const size_t maps = hypothesis.maps.size();
  for (size_t i = 0; i < maps; ++i) {  // as many again as --attribution adds
    AttentionMap map = hypothesis.maps[i];
    map.kind = AttentionKind::cross_gradient;
    for (size_t cell = 0; cell < map.weights.size(); ++cell) map.weights[cell] *= cell % 2 == 0 ? -3.7F : 1.9F;
    hypothesis.maps.push_back(std::move(map));
  }
  sentence.hypotheses.resize(2, hypothesis);
  for (AttentionMap& map : sentence.hypotheses[1].maps) {
    for (float& weight : map.weights) weight *= 1.01F;  // no two alike, as deflate would find out
  }
  const FittedPage page = to_small_html(inspections);
  ASSERT_TRUE(page.top_k.has_value());
  EXPECT_GE(*page.top_k, 4);
  EXPECT_LT(page.html.size(), 2'000'000U);
  EXPECT_EQ(page.html, to_html(inspections, {*page.top_k}));
  EXPECT_GT(page.html.size(), 1'000'000U) << "more than was needed is left out";
}

}  // namespace
}  // namespace attune
