// Training on labels and attune classify, from files to labels.
#include <gtest/gtest.h>

#include <cmath>

#include "training_place.h"

namespace attune {
namespace {

using nlohmann::json;
using testing::expect_one_error;
using testing::InOnePlace;
using testing::lines_of;
using testing::Ran;
using testing::TrainingPlace;

class Classify : public InOnePlace<TrainingPlace> {
 protected:
  static void SetUpTestSuite() {
    InOnePlace::SetUpTestSuite();
    texts = place->run(TrainingPlace::command("texts", "--task classification --tokenizer words --max-update 40"));
    words = place->run(TrainingPlace::command("words", "--task tagging --tokenizer words --max-update 60"));
    images = place->run(TrainingPlace::command(
        "images", "--task image_classification --patch-size 2 --max-update 60 --dropout 0 --lr-scheduler constant"));
  }
  void SetUp() override { ASSERT_EQ(texts.code + words.code + images.code, 0) << texts.err << words.err << images.err; }

  // A line's label must be the most probable one, and the probabilities make 1.
  static void expect_probabilities(const json& line, const std::vector<std::string>& labels) {
    double sum = 0, most = 0;
    std::string best;
    std::vector<std::string> names;
    for (const auto& [name, p] : line["probabilities"].items()) {
      names.push_back(name);
      sum += p.get<double>();
      if (p.get<double>() > most) {
        most = p, best = name;
      }
    }
    EXPECT_EQ(names, labels);
    EXPECT_NEAR(sum, 1, 1e-6);
    EXPECT_EQ(line["label"], best);
  }

  inline static Ran texts, words, images;
};

TEST_F(Classify, every_text_gets_its_label_and_the_probabilities_of_all) {
  const std::vector<std::string> inputs = lines_of(place->read("test.en"));
  const Ran text = place->run("classify --model texts < test.en");
  const Ran structured = place->run("classify --model texts --format json < test.en");
  ASSERT_EQ(text.code + structured.code, 0) << text.err << structured.err;
  const auto lines = lines_of(text.out), documents = lines_of(structured.out);
  ASSERT_EQ(lines.size(), inputs.size());
  ASSERT_EQ(documents.size(), inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const json line = json::parse(documents[i]);
    EXPECT_EQ(line["text"], inputs[i]);
    expect_probabilities(line, {"long", "short"});
    char expected[100];
    std::snprintf(expected, sizeof expected, "%s\tlong %.4f short %.4f", line["label"].get<std::string>().c_str(),
                  line["probabilities"]["long"].get<double>(), line["probabilities"]["short"].get<double>());
    EXPECT_EQ(lines[i], expected);
  }
  // A line alone says the same as among others; no text at all is one, too.
  place->write("one.txt", inputs[7] + "\n");
  EXPECT_EQ(place->run("classify --model texts < one.txt").out, lines[7] + "\n");
  place->write("blank.txt", "\n");
  EXPECT_EQ(lines_of(place->run("classify --model texts < blank.txt").out).size(), 1U);
  EXPECT_EQ(place->run("classify --model texts < /dev/null").out, "");
}

TEST_F(Classify, every_word_gets_its_tag) {
  place->write("sentences.txt", "the children   see\n\nhouses\n");
  const Ran text = place->run("classify --model words < sentences.txt");
  ASSERT_EQ(text.code, 0) << text.err;
  const auto lines = lines_of(text.out);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[1], "");
  std::istringstream tags(lines[0]);
  std::vector<std::string> first;
  for (std::string tag; tags >> tag;) first.push_back(tag);
  EXPECT_EQ(first.size(), 3U);
  const auto documents = lines_of(place->run("classify --model words --format json < sentences.txt").out);
  ASSERT_EQ(documents.size(), 3U);
  const json line = json::parse(documents[0]);
  ASSERT_EQ(line["words"].size(), 3U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(line["words"][i]["tag"], first[i]);
    EXPECT_GT(line["words"][i]["probability"].get<double>(), 1.0 / 3);  // of three tags the most probable one
  }
  EXPECT_EQ(line["words"][1]["word"], "children");
}

TEST_F(Classify, images_are_told_whatever_they_are_batched_with) {
  const Ran all = place->run("classify --model images --images valid.images --format json");
  ASSERT_EQ(all.code, 0) << all.err;
  const auto documents = lines_of(all.out);
  ASSERT_EQ(documents.size(), 20U);
  int correct = 0;
  for (int i = 0; i < 20; ++i) {
    const json line = json::parse(documents[static_cast<size_t>(i)]);
    EXPECT_EQ(line["image"], i);
    expect_probabilities(line, {"0", "1", "2"});
    correct += line["label"] == std::to_string(i % 3) ? 1 : 0;
  }
  EXPECT_EQ(correct, 20);
  EXPECT_EQ(place->run("classify --model images --images valid.images --format json --batch-tokens 1").out, all.out);
  EXPECT_EQ(place->run("classify --model images --images valid.images --format json --threads 2").out, all.out);
}

TEST_F(Classify, a_training_ends_with_accuracy_f1_and_the_confusion_matrix) {
  EXPECT_EQ(images.out, "");
  EXPECT_NE(images.err.find("validation data: accuracy 1.0000, macro F1 1.0000"), std::string::npos) << images.err;
  EXPECT_NE(images.err.find("confusion, a row for each gold label"), std::string::npos) << images.err;
  EXPECT_NE(images.err.find("\n0          7      0      0\n"), std::string::npos) << images.err;  // 7 of 20
  EXPECT_NE(words.err.find("\nspans: F1 "), std::string::npos) << words.err;
  EXPECT_EQ(texts.err.find("\nspans: F1 "), std::string::npos);
  const json last = json::parse(lines_of(place->read("words/training.jsonl")).back());
  EXPECT_GT(last["valid_f1"].get<double>(), 0);
  EXPECT_EQ(json::parse(lines_of(place->read("images/training.jsonl")).back())["valid_accuracy"], 1.0);
  EXPECT_EQ(place->read("texts/labels.txt"), "long\nshort\n");
  EXPECT_EQ(place->read("images/labels.txt"), "0\n1\n2\n");
}

TEST_F(Classify, says_what_does_not_fit) {
  struct Case {
    const char* call;
    int code;
    const char* says;
  };
  place->write("small.images", testing::idx_file({1, 4, 4}, std::string(16, 'x')));
  for (const Case& c : std::vector<Case>{
           {"classify --model images < test.en", 2, "--images: is missing"},
           {"classify --model texts --images valid.images", 2, "the model reads texts"},
           {"classify --model images --images small.images", 1, "4x4"},
           {"classify --model images --images test.en", 1, "test.en: byte 0"},
           {"translate --model texts < test.en", 2, "classification"},
       }) {
    SCOPED_TRACE(c.call);
    const Ran ran = place->run(c.call);
    expect_one_error(ran, c.code);
    EXPECT_NE(ran.err.find(c.says), std::string::npos) << ran.err;
  }
  place->write("texts/labels.txt", "long\nshort\nmiddle\n");
  const Ran ran = place->run("classify --model texts < test.en");
  expect_one_error(ran, 1);
  EXPECT_NE(ran.err.find("labels.txt has 3 labels, config.json says 2"), std::string::npos) << ran.err;
  place->write("texts/labels.txt", "long\nshort\n");
}

}  // namespace
}  // namespace attune
