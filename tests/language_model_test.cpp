// Language models on the command line: train, generate, describe and compare.
#include <gtest/gtest.h>

#include <cmath>

#include <nlohmann/json.hpp>

#include "training_place.h"

namespace attune {
namespace {

using nlohmann::json;
using testing::expect_one_error;
using testing::lines_of;
using testing::Ran;
using testing::TrainingPlace;

class LanguageModels : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    place = new TrainingPlace;
    trained = place->run(TrainingPlace::command("lm",
                                                "--task language_model --tokenizer characters --positions rotary "
                                                "--label-smoothing 0 --width 32 --dropout 0 --lr 0.02 --max-epoch 0 "
                                                "--batch-tokens 800 --valid-freq 100 --max-update 300"));
  }
  static void TearDownTestSuite() {
    delete place;
    place = nullptr;
  }
  void SetUp() override { ASSERT_EQ(trained.code, 0) << trained.err; }
  static Ran generate(const std::string& flags) { return place->run("generate --model lm " + flags); }

  static TrainingPlace* place;
  static Ran trained;
};
TrainingPlace* LanguageModels::place = nullptr;
Ran LanguageModels::trained;

// "4-gram 1.2345" of a line of them
double figure(const std::string& text, const std::string& name) {
  const size_t at = text.find(name + " ");
  EXPECT_NE(at, std::string::npos) << name << " in " << text;
  return at == std::string::npos ? 0 : std::stod(text.substr(at + name.size() + 1));
}

TEST_F(LanguageModels, training_says_what_ngrams_would_reach_and_beats_the_bigram) {
  EXPECT_NE(trained.err.find(" pieces in "), std::string::npos) << trained.err;
  EXPECT_NE(trained.err.find("characters\nmodel: language model, 1 layers"), std::string::npos) << trained.err;
  const auto last = json::parse(lines_of(place->read("lm/training.jsonl")).back());
  const double bigram = figure(trained.err, "bigram"), nll = last["valid_nll"];
  EXPECT_GT(figure(trained.err, "unigram"), bigram);
  EXPECT_LT(nll, bigram - 0.2);
  EXPECT_NEAR(last["valid_perplexity"].get<double>(), std::exp(nll), 1e-6);
  double best = bigram;
  for (const char* name : {"trigram", "4-gram", "5-gram"}) {
    best = std::min(best, figure(trained.err, name));
  }
  const size_t at = trained.err.find("gram: nll ");
  ASSERT_NE(at, std::string::npos) << trained.err;
  EXPECT_NEAR(std::stod(trained.err.substr(at + 10)), best, 1e-4) << "the best of them is the yardstick";
}

TEST_F(LanguageModels, generate_goes_on_with_a_prompt) {
  const Ran greedy = generate("--prompt 'the ' --max-tokens 60 --temperature 0");
  ASSERT_EQ(greedy.code, 0) << greedy.err;
  EXPECT_EQ(greedy.out.size(), 60U + (greedy.out[59] == '\n' ? 0 : 1)) << greedy.out;
  EXPECT_NE(greedy.err.find("pieces a second"), std::string::npos) << greedy.err;
  // The prompt from standard input, without its last line's end; and the same again.
  place->write("prompt", "the \n");
  EXPECT_EQ(generate("--max-tokens 60 --temperature 0 < prompt").out, greedy.out);
  place->write("prompt", "the ");
  EXPECT_EQ(generate("--max-tokens 60 --temperature 0 < prompt").out, greedy.out);
  EXPECT_EQ(generate("--prompt 'the ' --max-tokens 60 --top-k 1 --seed 5").out, greedy.out);

  const std::string sampled = "--prompt= --max-tokens 80 --top-p 0.95 --temperature 1.2 ";
  const Ran first = generate(sampled + "--seed 3 --threads 1");
  ASSERT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(generate(sampled + "--seed 3 --threads 2").out, first.out);
  EXPECT_NE(generate(sampled + "--seed 4").out, first.out);
}

TEST_F(LanguageModels, a_model_with_an_end_says_where_it_is) {
  const Ran made = place->run(TrainingPlace::command(
      "learned", "--task language_model --tokenizer bytes --positions learned --max-positions 32 --max-update 2"));
  ASSERT_EQ(made.code, 0) << made.err;
  const Ran cut = place->run("generate --model learned --prompt abc --max-tokens 100");
  EXPECT_EQ(cut.code, 0) << cut.err;
  EXPECT_NE(cut.err.find("cut short after 29 pieces: the model reads at most 32 (positions = learned"),
            std::string::npos)
      << cut.err;
  const Ran refused = place->run("generate --model learned --prompt " + std::string(32, 'a'));
  expect_one_error(refused, 1);
  EXPECT_NE(refused.err.find("33 pieces"), std::string::npos) << refused.err;
}

TEST_F(LanguageModels, other_tasks_commands_refuse_it_and_generate_theirs) {
  for (const char* command : {"translate --model lm < test.en", "fill-mask --model lm < test.en"}) {
    const Ran ran = place->run(command);
    expect_one_error(ran, 2);
    EXPECT_NE(ran.err.find("lm: holds a model for the task language_model, expected one for"), std::string::npos)
        << ran.err;
  }
  const Ran from = place->run("train --task language_model --train train.txt --from lm --model new");
  expect_one_error(from, 2);
  EXPECT_NE(from.err.find("--from: starts an encoder-only model"), std::string::npos) << from.err;
}

TEST_F(LanguageModels, describe_shows_the_decoder) {
  const Ran ran = place->run("describe --model lm --length 32");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(ran.out.find("\nlanguage_model ") != std::string::npos) << ran.out;
  EXPECT_NE(ran.out.find("multiply-adds a token  "), std::string::npos) << ran.out;
  EXPECT_TRUE(ran.out.find("encoder") == std::string::npos && ran.out.find("cross") == std::string::npos) << ran.out;
}

TEST_F(LanguageModels, the_example_is_a_model_of_the_published_size) {
  const Ran ran = place->run("describe --config " ATTUNE_SOURCE_DIR "/examples/language-model.toml --format json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto said = json::parse(ran.out);
  EXPECT_EQ(said["config"]["decoder-layers"], 4);
  EXPECT_NEAR(said["parameters"].get<double>(), 0.8e6, 0.02e6);
}

TEST_F(LanguageModels, compare_puts_them_into_one_table) {
  const std::string common =
      "task = \"language-model\"\ntokenizer = \"characters\"\nsequence-length = 32\ndecoder-layers = 1\nwidth = 16\n"
      "heads = 2\nfeed-forward = 32\nbatch-tokens = 300\nmax-update = 6\n";
  place->write("scaled.toml", common);
  place->write("gru.toml", common + "decoder-mixer = \"gru\"\n");
  const Ran ran = place->run(
      "compare --configs scaled.toml gru.toml --train train.txt --valid valid.txt --threads 1 --directory rows "
      "--format json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto table = json::parse(ran.out);
  ASSERT_EQ(table["rows"].size(), 2U);
  for (const auto& row : table["rows"]) {
    const auto last =
        json::parse(lines_of(place->read(row["directory"].get<std::string>() + "/training.jsonl")).back());
    EXPECT_NEAR(row["valid_nll"].get<double>(), last["valid_nll"].get<double>(), 1e-5);
    EXPECT_LT(row["baseline_nll"].get<double>(), row["valid_nll"].get<double>());
    EXPECT_FALSE(row.contains("bleu_beam"));
  }
}

}  // namespace
}  // namespace attune
