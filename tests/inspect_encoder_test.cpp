// attune inspect of models that are an encoder alone, and attune inspect spatial.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "attune/inspect/encoder_inspector.h"
#include "training_place.h"

namespace attune {
namespace {

using nlohmann::json;
using testing::expect_one_error;
using testing::InOnePlace;
using testing::lines_of;
using testing::Ran;
using testing::TrainingPlace;

class InspectEncoder : public InOnePlace<TrainingPlace> {
 protected:
  static void SetUpTestSuite() {
    InOnePlace::SetUpTestSuite();
    const std::string gated =
        " --tokenizer words --encoder-mixer spatial_gating --spatial-initialiser lecun_normal "
        "--max-positions 60 --max-train-length 59 ";
    const std::string few = "--max-update 12 --keep-last 3 ";
    for (const auto& [name, form] :
         {std::pair<std::string, std::string>{"masks", "--task masked_language_model --tokenizer words "},
          {"texts", "--task classification --pooling first" + gated + "--tiny-attention 8 "},
          {"tags", "--task tagging" + gated + "--spatial-toeplitz "},
          {"images", "--task image_classification --patch-size 2 "}}) {
      const Ran ran = place->run(TrainingPlace::command(name, form + few));
      ASSERT_EQ(ran.code, 0) << ran.err;
    }
    spoken = lines_of(place->read("test.en"))[0];
    place->write("one.en", spoken + "\n");
    place->write("masked.en", "[MASK] " + spoken + " [MASK]\n");
  }
  static json inspected(const std::string& flags) {
    const Ran ran = place->run("inspect --format json --model " + flags);
    EXPECT_EQ(ran.code, 0) << ran.err;
    return json::parse(ran.out)["models"][0]["sentences"][0];
  }
  static json said(const std::string& command) {
    const Ran ran = place->run(command + " --format json");
    EXPECT_EQ(ran.code, 0) << ran.err;
    return json::parse(lines_of(ran.out).at(0));
  }
  static std::vector<json> maps_of(const json& sentence, const std::string& kind) {
    std::vector<json> found;
    std::copy_if(sentence["maps"].begin(), sentence["maps"].end(), std::back_inserter(found),
                 [&](const json& map) { return map["kind"] == kind; });
    return found;
  }
  // Of unmasked rows.
  static void expect_rows_of_one(const json& map, size_t rows) {
    ASSERT_EQ(map["weights"].size(), rows);
    for (const json& row : map["weights"]) {
      double sum = 0;
      for (const json& weight : row) sum += weight.get<double>();
      EXPECT_NEAR(sum, 1, 1e-4);
    }
  }

  inline static std::string spoken;
};

TEST_F(InspectEncoder, a_masked_language_model_shows_its_attention_and_what_it_puts_in_the_masks) {
  const json seen = inspected("masks --next-pieces 3 < masked.en");
  const json masks = said("fill-mask --model masks --top-k 3 < masked.en")["masks"];
  ASSERT_EQ(seen["answers"].size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(seen["answers"][i]["about"], "mask " + std::to_string(i + 1));
    ASSERT_EQ(seen["answers"][i]["probable"].size(), 3U);
    for (size_t rank = 0; rank < 3; ++rank) {
      const json& shown = seen["answers"][i]["probable"][rank];
      EXPECT_EQ(shown["piece"], masks[i]["guesses"][rank]["word"]);
      EXPECT_NEAR(shown["log_probability"].get<double>(),
                  std::log(masks[i]["guesses"][rank]["probability"].get<double>()), 1e-4);
    }
  }
  const size_t pieces = seen["source"].size();
  EXPECT_EQ(seen["source"][1]["piece"], "[MASK]");
  EXPECT_TRUE(seen["source"].front()["word"].is_null() && seen["source"].back()["word"].is_null());
  const auto heads = maps_of(seen, "encoder");
  ASSERT_EQ(heads.size(), 2U);  // one layer of two heads
  for (const json& head : heads) expect_rows_of_one(head, pieces);
  ASSERT_EQ(maps_of(seen, "encoder_rollout").size(), 1U);
  expect_rows_of_one(maps_of(seen, "encoder_rollout")[0], pieces);
  EXPECT_TRUE(seen["hypotheses"].empty());
}

TEST_F(InspectEncoder, a_classifier_shows_its_probabilities_its_gates_and_its_tiny_attention) {
  const json seen = inspected("texts < one.en");
  const json label = said("classify --model texts < one.en");
  ASSERT_EQ(seen["answers"].size(), 1U);
  EXPECT_EQ(seen["answers"][0]["about"], "text");
  EXPECT_EQ(seen["answers"][0]["probable"][0]["piece"], label["label"]);
  for (const json& shown : seen["answers"][0]["probable"]) {
    EXPECT_NEAR(std::exp(shown["log_probability"].get<double>()),
                label["probabilities"][shown["piece"].get<std::string>()].get<double>(), 1e-5);
  }
  ASSERT_EQ(maps_of(seen, "encoder_tiny").size(), 1U);
  expect_rows_of_one(maps_of(seen, "encoder_tiny")[0], seen["source"].size());
  const auto spatial = maps_of(seen, "encoder_spatial");
  ASSERT_EQ(spatial.size(), 1U);
  EXPECT_EQ(spatial[0]["weights"].size(), seen["source"].size());
  EXPECT_TRUE(maps_of(seen, "encoder_rollout").empty()) << "gating mixes besides attention";
  const Ran csv = place->run("inspect --format csv --model texts < one.en");
  EXPECT_NE(csv.out.find("answer,texts,0,,,,,0,text,0," + label["label"].get<std::string>()), std::string::npos);
}

TEST_F(InspectEncoder, tags_of_every_word_and_images_by_their_patches) {
  const json seen = inspected("tags < one.en"), words = said("classify --model tags < one.en")["words"];
  ASSERT_EQ(seen["answers"].size(), words.size());
  for (size_t i = 0; i < words.size(); ++i) {
    EXPECT_EQ(seen["answers"][i]["about"], words[i]["word"]);
    EXPECT_EQ(seen["answers"][i]["probable"][0]["piece"], words[i]["tag"]);
  }
  EXPECT_NEAR(maps_of(seen, "encoder_spatial").at(0)["toeplitz"].get<double>(), 1, 1e-4);

  const json image = inspected("images --images valid.images --max-sentences 1");
  EXPECT_EQ(image["text"], "image 0");
  ASSERT_EQ(image["source"].size(), 9U);
  EXPECT_EQ(image["source"][5]["piece"], "1,2");
  EXPECT_EQ(image["answers"][0]["probable"][0]["piece"],
            said("classify --model images --images valid.images")["label"]);
  for (const json& head : maps_of(image, "encoder")) expect_rows_of_one(head, 9);
}

TEST_F(InspectEncoder, checkpoints_and_several_models_stand_side_by_side) {
  const Ran ran = place->run("inspect --format json --checkpoints --model masks < one.en");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json document = json::parse(ran.out);
  std::vector<std::string> names;
  for (const json& model : document["models"]) names.push_back(model["name"]);
  EXPECT_EQ(names, (std::vector<std::string>{"step 4", "step 8", "step 12"}));
  EXPECT_NE(document["models"][0]["sentences"][0]["maps"], document["models"][2]["sentences"][0]["maps"]);
  const Ran two = place->run("inspect --format json --model masks texts < one.en");
  EXPECT_EQ(json::parse(two.out)["models"].size(), 2U) << two.err;
}

TEST_F(InspectEncoder, spatial_weights_as_a_table_json_and_a_picture) {
  const json all = said("inspect spatial --model texts");
  EXPECT_EQ(all["length"], 60);
  ASSERT_EQ(all["matrices"].size(), 1U);
  const LoadedEncoder loaded = load_encoder(place->path("texts"));
  const Tensor weights = *loaded.model->parameters().find("encoder.layers.0.self_attention.spatial.weight")->parameter;
  double sum = 0;
  for (int64_t i = 0; i < weights.elements(); ++i) sum += std::abs(weights.at(i));
  EXPECT_NEAR(all["matrices"][0]["mean_magnitude"].get<double>(), sum / 3600, 1e-6);
  EXPECT_LT(all["matrices"][0]["toeplitz"].get<double>(), 0.2);  // as it was drawn
  EXPECT_NEAR(said("inspect spatial --model tags --length 9")["matrices"][0]["toeplitz"].get<double>(), 1, 1e-4);
  const Ran table = place->run("inspect spatial --model texts");
  EXPECT_EQ(lines_of(table.out).size(), 2U) << table.out;
  const Ran picture = place->run("inspect spatial --model texts --format svg");
  EXPECT_TRUE(picture.out.starts_with("<svg ")) << picture.err;
  EXPECT_NE(picture.out.find("layer 0, head 0"), std::string::npos);
  EXPECT_LT(picture.out.size(), 100'000U);  // 3,600 weights: no element for each
  EXPECT_GT(picture.out.size(), 20'000U);
}

TEST_F(InspectEncoder, says_what_does_not_fit) {
  for (const auto& [command, says] :
       {std::pair{"inspect --model masks --beam-size 2 < one.en", "--beam-size: belongs to models of translation"},
        {"inspect --model masks --images valid.images < one.en", "--images: masks is a model of masked_language_model"},
        {"inspect --model images", "--images is missing"},
        {"inspect --model masks images --images valid.images", "images: a model of image_classification does not read"},
        {"inspect spatial --model masks", "encoder-mixer or decoder-mixer is spatial_gating, got scaled_dot"},
        {"inspect spatial", "--model is missing"},
        {"inspect spatial --model texts --length 61", "length: expected"}}) {
    const Ran ran = place->run(command);
    expect_one_error(ran, 2);
    EXPECT_NE(ran.err.find(says), std::string::npos) << ran.err;
  }
  const Ran longer = place->run("inspect --model masks --max-source-length 3 < one.en");
  expect_one_error(longer, 1);
  EXPECT_NE(longer.err.find("standard input:1: expected texts of at most 3 pieces"), std::string::npos) << longer.err;
  place->write("small.images", testing::idx_file({1, 4, 4}, std::string(16, 'x')));
  const Ran small = place->run("inspect --model images --images small.images");
  expect_one_error(small, 1);
  EXPECT_NE(small.err.find("image 0: the images are of 4x4 pixels"), std::string::npos) << small.err;
}

}  // namespace
}  // namespace attune
