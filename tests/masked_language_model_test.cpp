// Masked language models on the command line: train, fill-mask, describe, compare, and starting from another model.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "training_place.h"

namespace attune {
namespace {

using nlohmann::json;
using testing::expect_one_error;
using testing::InOnePlace;
using testing::lines_of;
using testing::Ran;
using testing::TrainingPlace;

const std::string masked = "--task masked_language_model ";

class MaskedLanguageModels : public InOnePlace<TrainingPlace> {
 protected:
  static void SetUpTestSuite() {
    InOnePlace::SetUpTestSuite();
    trained = place->run(TrainingPlace::command(
        "lm", masked + "--vocab-size 120 --width 32 --dropout 0 --lr 0.02 --max-epoch 0 --max-update 400"));
  }
  void SetUp() override { ASSERT_EQ(trained.code, 0) << trained.err; }

  inline static Ran trained;
};

TEST_F(MaskedLanguageModels, training_says_what_the_unigram_would_reach_and_beats_it) {
  EXPECT_NE(trained.err.find(" documents in "), std::string::npos) << trained.err;
  const size_t at = trained.err.find("unigram: nll ");
  ASSERT_NE(at, std::string::npos) << trained.err;
  const double unigram = std::stod(trained.err.substr(at + 13));
  const auto last = json::parse(lines_of(place->read("lm/training.jsonl")).back());
  EXPECT_LT(last["valid_nll"].get<double>(), unigram - 0.1);
  EXPECT_NE(trained.err.find("; unigram: nll ", at), std::string::npos) << trained.err;
}

TEST_F(MaskedLanguageModels, fill_mask_prints_the_best_words_as_text_and_as_json) {
  place->write("texts", "the [MASK] sees the [MASK] .\n[MASK] cat\n");
  const Ran text = place->run("fill-mask --model lm --top-k 3 < texts");
  ASSERT_EQ(text.code, 0) << text.err;
  const auto lines = lines_of(text.out);
  ASSERT_EQ(lines.size(), 5U) << text.out;
  EXPECT_EQ(lines[0], "the [MASK] sees the [MASK] .");
  EXPECT_TRUE(lines[2].starts_with("  mask 2: ")) << lines[2];
  EXPECT_EQ(lines[3], "[MASK] cat");

  const Ran many = place->run("fill-mask --model lm --top-k 1000 --format json < texts");
  ASSERT_EQ(many.code, 0) << many.err;
  ASSERT_EQ(lines_of(many.out).size(), 2U);
  const auto first = json::parse(lines_of(many.out)[0]);
  EXPECT_EQ(first["text"], "the [MASK] sees the [MASK] .");
  ASSERT_EQ(first["masks"].size(), 2U);
  EXPECT_EQ(first["masks"][0]["position"], 1);
  for (const auto& mask : first["masks"]) {
    double all = 0, before = 1;
    for (const auto& guess : mask["guesses"]) {
      EXPECT_LE(guess["probability"].get<double>(), before);
      before = guess["probability"];
      all += before;
    }
    EXPECT_GT(all, 0.99);  // the rest is special pieces'
    EXPECT_LT(all, 1.00001);
  }
  const std::string best = first["masks"][1]["guesses"][0]["word"];
  EXPECT_TRUE(lines[2].starts_with("  mask 2: " + best + " ")) << lines[2];

  place->write("none", "the [MASK]\nno mask here\n");
  const Ran none = place->run("fill-mask --model lm < none");
  EXPECT_EQ(none.code, 1);
  EXPECT_EQ(lines_of(none.out).size(), 2U) << "the first line is answered";
  EXPECT_NE(none.err.find("standard input:2: expected a text with [MASK] in it, got \"no mask here\""),
            std::string::npos)
      << none.err;
}

TEST_F(MaskedLanguageModels, a_model_is_refused_where_another_task_is_needed) {
  for (const std::string command :
       {"translate --model lm < test.en", "inspect heads --model lm --valid test.en test.vi",
        "score --model lm --source test.en --target test.vi"}) {
    const Ran ran = place->run(command);
    expect_one_error(ran, 2);
    EXPECT_NE(ran.err.find("lm: holds a model for the task masked_language_model, expected one for translation"),
              std::string::npos)
        << ran.err;
  }
}

TEST_F(MaskedLanguageModels, describe_shows_the_encoder) {
  const Ran ran = place->run("describe --model lm");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.out.find("masked_language_model"), std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("a prediction"), std::string::npos) << ran.out;
  EXPECT_EQ(ran.out.find("decoder"), std::string::npos) << ran.out;
}

TEST_F(MaskedLanguageModels, a_training_starts_from_another_models_encoder_and_tokenizer) {
  const std::string more =
      "train --train test.en --valid valid.txt --sequence-length 32 --batch-tokens 300 "
      "--warmup-updates 4 --threads 1 --max-epoch 0 --max-update 1 --lr 0 ";
  const Ran ran = place->run(more + masked + "--from lm --model further");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_NE(ran.err.find("lm: 20 tensors taken; 0 start anew; 0 left there"), std::string::npos) << ran.err;
  EXPECT_EQ(place->read("further/joint.spm"), place->read("lm/joint.spm"));
  EXPECT_EQ(place->read("further/model.safetensors"), place->read("lm/model.safetensors")) << "lr is 0";

  const Ran other = place->run(more + masked + "--from lm --prediction-transform --model transformed");
  ASSERT_EQ(other.code, 0) << other.err;
  EXPECT_NE(other.err.find("20 tensors taken; 4 start anew: head.transform.weight, head.transform.bias"),
            std::string::npos)
      << other.err;

  const Ran wrong = place->run(more + masked + "--from lm --width 16 --model wrong");
  expect_one_error(wrong, 1);
  EXPECT_NE(wrong.err.find("misshapen: encoder.embedding.weight is [120, 32], expected [120, 16]"), std::string::npos)
      << wrong.err;
  const Ran resumed = place->run(more + masked + "--from transformed --model further");
  expect_one_error(resumed, 2);
  EXPECT_NE(resumed.err.find("\n  from: "), std::string::npos) << resumed.err;

  for (const auto& [flags, says] : {std::pair{masked + "--vocab-size 90", "--vocab-size: the tokenizer comes from lm"},
                                    std::pair{std::string(), "--from: starts an encoder-only model"}}) {
    const Ran refused = place->run("train --train test.en --from lm --model refused " + flags);
    expect_one_error(refused, 2);
    EXPECT_NE(refused.err.find(says), std::string::npos) << refused.err;
  }
}

TEST_F(MaskedLanguageModels, compare_puts_them_into_one_table) {
  const std::string common =
      "task = \"masked_language_model\"\ntokenizer = \"words\"\nsequence-length = 32\nencoder-layers = 1\nwidth = 16\n"
      "heads = 2\nfeed-forward = 32\nbatch-tokens = 300\nmax-update = 6\n";
  place->write("scaled.toml", common);
  place->write("mean.toml", common + "encoder-mixer = \"mean\"\n");
  const std::string command =
      "compare --configs scaled.toml mean.toml --train train.txt --valid valid.txt "
      "--threads 1 --directory rows --seeds 1 2 ";
  const Ran ran = place->run(command);
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out.find("BLEU"), std::string::npos) << ran.out;
  const Ran again = place->run(command + "--format json");
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_NE(again.err.find("mean-seed-2: trained and measured before"), std::string::npos) << again.err;
  const auto table = json::parse(again.out);
  ASSERT_EQ(table["rows"].size(), 4U);
  ASSERT_EQ(table["summary"].size(), 2U);
  for (const auto& row : table["rows"]) {
    const auto last =
        json::parse(lines_of(place->read(row["directory"].get<std::string>() + "/training.jsonl")).back());
    EXPECT_EQ(row["updates"], 6);
    EXPECT_NEAR(row["valid_nll"].get<double>(), last["valid_nll"].get<double>(), 1e-5);
    EXPECT_EQ(row["baseline_nll"], table["rows"][0]["baseline_nll"]);
  }
  place->write("other.toml", "tokenizer = \"words\"\nmax-update = 6\n");
  const Ran mixed = place->run(
      "compare --configs scaled.toml other.toml --train train.en train.vi --valid valid.en valid.vi --directory mixed");
  expect_one_error(mixed, 2);
  EXPECT_NE(mixed.err.find("other.toml: has another task"), std::string::npos) << mixed.err;
}

}  // namespace
}  // namespace attune
