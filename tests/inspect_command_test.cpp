// attune inspect from the command line: what it reads, writes and says.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "training_place.h"

namespace attune {
namespace {

using nlohmann::json;
using testing::InOnePlace;
using testing::lines_of;
using testing::Ran;
using testing::TrainingPlace;

class InspectCommand : public InOnePlace<TrainingPlace> {
 protected:
  static void SetUpTestSuite() {
    InOnePlace::SetUpTestSuite();
    for (const char* model : {"transformer --max-update 12 --keep-last 3", "luong --max-update 2"}) {
      const std::string name = std::string(model).substr(0, std::string(model).find(' '));
      const Ran ran =
          place->run(TrainingPlace::command(name, "--tokenizer words --architecture " + std::string(model)));
      ASSERT_EQ(ran.code, 0) << ran.err;
    }
    const std::vector<std::string> source = lines_of(place->read("test.en")), target = lines_of(place->read("test.vi"));
    place->write("two.en", source[0] + "\n\n" + source[1] + "\n");
    place->write("two.vi", target[0] + "\n\n" + target[1] + "\n");
    place->write("two.align", "0-0\n\n0-0 1p1\n");
  }
  static json inspected(const std::string& flags) {
    const Ran ran = place->run("inspect --max-decoding-length 8 --format json " + flags + " < two.en");
    EXPECT_EQ(ran.code, 0) << ran.err;
    return json::parse(ran.out);
  }
};

TEST_F(InspectCommand, looks_at_the_translations_of_translate) {
  const json document = inspected("--model transformer --n-best 3");
  const json& sentences = document["models"][0]["sentences"];
  ASSERT_EQ(sentences.size(), 2U) << "the blank line is no sentence";
  const auto lines =
      lines_of(place->run("translate --model transformer --n-best 3 --max-decoding-length 8 < two.en").out);
  std::vector<std::string> texts;
  for (const json& sentence : sentences) {
    for (const json& hypothesis : sentence["hypotheses"]) {
      texts.push_back(hypothesis["text"]);
    }
  }
  ASSERT_EQ(texts.size(), 6U);
  for (size_t i = 0; i < 6; ++i) {
    const std::string& line = lines[i < 3 ? i : i + 1];  // the blank line's own
    EXPECT_NE(line.find("||| " + texts[i] + " |||"), std::string::npos) << line << " / " << texts[i];
  }
}

TEST_F(InspectCommand, shows_several_models_and_given_translations_with_gold_links) {
  const json document = inspected("--model transformer luong --target two.vi --alignment two.align");
  ASSERT_EQ(document["models"].size(), 2U);
  EXPECT_EQ(document["models"][1]["architecture"], "luong");
  for (const json& model : document["models"]) {
    EXPECT_EQ(model["sentences"][1]["hypotheses"][0]["text"], lines_of(place->read("two.vi"))[2]);
    EXPECT_EQ(model["sentences"][1]["hypotheses"][0]["gold"],
              (json{{"sure", {{0, 0}}}, {"possible", {{0, 0}, {1, 1}}}}));
  }
  EXPECT_FALSE(document["checkpoints"].get<bool>());
}

TEST_F(InspectCommand, shows_every_checkpoint_reading_the_translation_of_the_finished_model) {
  const json series = inspected("--model transformer --checkpoints");
  EXPECT_TRUE(series["checkpoints"].get<bool>());
  std::vector<std::string> names;
  for (const json& model : series["models"]) {
    names.push_back(model["name"]);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"step 4", "step 8", "step 12"}));
  const json finished = inspected("--model transformer")["models"][0]["sentences"][0]["hypotheses"][0];
  for (const json& model : series["models"]) {
    EXPECT_EQ(model["sentences"][0]["hypotheses"][0]["text"], finished["text"]);
  }
  EXPECT_EQ(series["models"][2]["sentences"][0]["hypotheses"][0]["maps"], finished["maps"]);
  EXPECT_NE(series["models"][0]["sentences"][0]["hypotheses"][0]["maps"], finished["maps"]);
}

TEST_F(InspectCommand, attributes_on_demand) {
  const auto kinds = [](const std::string& flags) {
    const json document = inspected("--model transformer " + flags);
    std::set<std::string> found;
    for (const json& map : document["models"][0]["sentences"][0]["hypotheses"][0]["maps"]) {
      found.insert(map["kind"]);
    }
    return found;
  };
  const std::set<std::string> plain = kinds(""), more = kinds("--attribution");
  for (const std::string kind :
       {"encoder_gradient", "decoder_gradient", "cross_gradient", "removal", "attention_gradient", "input_gradient"}) {
    EXPECT_EQ(plain.count(kind), 0U);
    EXPECT_EQ(more.count(kind), 1U) << kind;
  }
}

TEST_F(InspectCommand, shows_the_weights_that_explain_computes) {
  place->write("one.en", lines_of(place->read("two.en"))[0] + "\n");
  place->write("one.vi", lines_of(place->read("two.vi"))[0] + "\n");
  const std::string sentence = lines_of(place->read("one.en"))[0], target = lines_of(place->read("one.vi"))[0];
  for (const std::string model : {"transformer", "luong"}) {
    const Ran explained = place->run("explain '" + sentence + "' --model " + model + " --target '" + target +
                                     "' --module decoder.layers.0.cross_attention --head 0 --format json");
    ASSERT_EQ(explained.code, 0) << explained.err;
    json weights;
    const json all = json::parse(explained.out);
    for (const json& step : all["steps"]) {
      if (step["name"] == "P") weights = step["value"];
    }
    const Ran ran = place->run("inspect --format json --model " + model + " --target one.vi < one.en");
    const json document = json::parse(ran.out);
    for (const json& map : document["models"][0]["sentences"][0]["hypotheses"][0]["maps"]) {
      if (map["kind"] != "cross" || map["layer"] != 0 || map["head"] != 0) continue;
      ASSERT_EQ(map["weights"].size(), weights.size());
      for (size_t i = 0; i < weights.size(); ++i) {
        for (size_t j = 0; j < weights[i].size(); ++j) {
          EXPECT_NEAR(map["weights"][i][j].get<double>(), weights[i][j].get<double>(), 2e-6) << model;
        }
      }
    }
  }
}

TEST_F(InspectCommand, writes_each_format_to_a_file_or_to_standard_output) {
  for (const auto& [format, begins] :
       {std::pair{"html", "<!doctype html>"}, {"json", "{"}, {"csv", "record,"}, {"svg", "<svg "}}) {
    const std::string command = "inspect --model luong --max-decoding-length 8 --format " + std::string(format);
    const Ran ran = place->run(command + " < two.en");
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_TRUE(ran.out.starts_with(begins)) << format;
    const Ran filed = place->run(command + " --output made < two.en");
    EXPECT_EQ(filed.out, "");
    EXPECT_EQ(place->read("made"), ran.out);
  }
}

TEST_F(InspectCommand, says_what_does_not_fit) {
  const Ran many = place->run("inspect --model luong --max-sentences 1 --format csv < two.en");
  EXPECT_EQ(many.code, 0);
  EXPECT_NE(many.err.find("1 of 2 sentences are left out"), std::string::npos) << many.err;
  const Ran unequal = place->run("inspect --model luong --target test.vi --format csv < two.en");
  testing::expect_one_error(unequal, 1);
  EXPECT_NE(unequal.err.find("test.vi has 20 lines, standard input 3"), std::string::npos) << unequal.err;
  const Ran longer = place->run("inspect --model luong --max-source-length 2 < two.en");
  testing::expect_one_error(longer, 1);
  EXPECT_NE(longer.err.find("standard input:1: expected sentences of at most 2 pieces"), std::string::npos)
      << longer.err;
  const Ran empty = place->run("inspect --model luong < /dev/null");
  testing::expect_one_error(empty, 1);
}

}  // namespace
}  // namespace attune
