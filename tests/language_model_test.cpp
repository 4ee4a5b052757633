// Language models on the command line: train, generate, evaluate, describe, compare and bench.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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

class LanguageModels : public InOnePlace<TrainingPlace> {
 protected:
  static void SetUpTestSuite() {
    InOnePlace::SetUpTestSuite();
    trained = place->run(TrainingPlace::command("lm",
                                                "--task language_model --tokenizer characters --positions rotary "
                                                "--label-smoothing 0 --width 32 --dropout 0 --lr 0.02 --max-epoch 0 "
                                                "--batch-tokens 800 --valid-freq 100 --max-update 300"));
  }
  void SetUp() override { ASSERT_EQ(trained.code, 0) << trained.err; }
  static Ran generate(const std::string& flags) { return place->run("generate --model lm " + flags); }

  inline static Ran trained;
};

// "4-gram 1.2345" of a line of them
double figure(const std::string& text, const std::string& name) {
  const size_t at = text.find(name + " ");
  EXPECT_NE(at, std::string::npos) << name << " in " << text;
  return at == std::string::npos ? 0 : std::stod(text.substr(at + name.size() + 1));
}

TEST_F(LanguageModels, generate_stops_behind_as_many_lines_as_asked_for) {
  const Ran three = generate("--prompt 'the ' --max-tokens 1000 --max-lines 3 --seed 2");
  ASSERT_EQ(three.code, 0) << three.err;
  EXPECT_EQ(std::count(three.out.begin(), three.out.end(), '\n'), 3) << three.out;
  EXPECT_EQ(three.out.back(), '\n');
  const Ran all = generate("--prompt 'the ' --max-tokens 1000 --seed 2");
  EXPECT_TRUE(all.out.starts_with(three.out)) << three.out;
  EXPECT_EQ(three.err.find("cut short"), std::string::npos) << three.err;
}

TEST_F(LanguageModels, evaluate_says_what_the_last_validation_said) {
  const auto last = json::parse(lines_of(place->read("lm/training.jsonl")).back());
  const std::string command = "evaluate --model lm --test valid.txt --sequence-length 32 ";
  const Ran ran = place->run(command + "--format json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto said = json::parse(ran.out);
  EXPECT_NEAR(said["nll"].get<double>(), last["valid_nll"].get<double>(), 1e-6);
  EXPECT_EQ(said["accuracy"], last["valid_accuracy"]);
  EXPECT_GT(said["accuracy"].get<double>(), 0.4);
  EXPECT_EQ(said["pieces"].get<size_t>(), place->read("valid.txt").size());
  const auto again = json::parse(place->run(command + "--set dropout=0.5 --batch-tokens 70 --format json").out);
  EXPECT_NEAR(again["nll"].get<double>(), said["nll"].get<double>(), 1e-9);
  EXPECT_EQ(again["accuracy"], said["accuracy"]);
  const Ran other = place->run(command + "--set normaliser=relu_sum");
  EXPECT_NE(other.out.find("valid.txt: nll "), std::string::npos) << other.err;
  EXPECT_GT(figure(other.out, "nll"), said["nll"].get<double>() + 0.01) << "weights made for a softmax";

  for (const auto& [set, says] : std::map<std::string, std::string>{{"normalizer=relu", "did you mean normaliser?"},
                                                                    {"normaliser", "expected KEY=VALUE"},
                                                                    {"heads=three", "--set heads: expected a whole"},
                                                                    {"heads=3", "heads"},
                                                                    {"tokenizer=bytes", "the model's"},
                                                                    {"encoder-layers=2", "means nothing"}}) {
    const Ran refused = place->run(command + "--set " + set);
    expect_one_error(refused, 2);
    EXPECT_NE(refused.err.find(says), std::string::npos) << refused.err;
  }
  expect_one_error(place->run(command + "--set decoder-layers=2"), 1);  // parameters that the file has not
}

// The prompt says which of two lines comes: what stands in front of the tab is not learnt, what stands behind it is.
TEST_F(LanguageModels, completions_are_learnt_told_and_generated) {
  std::string lines;
  for (int i = 0; i < 120; ++i) {
    const std::string noise = std::to_string(i * 7919 % 1000);
    lines += i % 2 == 0 ? "cat " + noise + " ?\tit sleeps\n" : "dog " + noise + " ?\tit runs .\n";
  }
  place->write("lines.tsv", lines);
  const Ran made = place->run(
      "train --task language_model --completions --tokenizer characters --train lines.tsv --valid lines.tsv --width 32 "
      "--heads 2 --decoder-layers 1 --feed-forward 32 --dropout 0 --label-smoothing 0 --batch-tokens 400 --lr 0.02 "
      "--warmup-updates 10 --max-update 150 --valid-freq 150 --threads 1 --model pet");
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_NE(made.err.find(" pieces in 120 completions from lines.tsv"), std::string::npos) << made.err;
  const auto last = json::parse(lines_of(place->read("pet/training.jsonl")).back());
  EXPECT_EQ(last["valid_accuracy"], 1);
  EXPECT_LT(last["valid_nll"].get<double>(), 0.01);
  const std::string command = "evaluate --model pet --test lines.tsv --format json ";
  const auto told = json::parse(place->run(command + "--completions").out);
  EXPECT_EQ(told["pieces"], 120 * (9 + 1));
  EXPECT_NEAR(told["nll"].get<double>(), last["valid_nll"].get<double>(), 1e-6);
  EXPECT_GT(json::parse(place->run(command).out)["nll"].get<double>(), 1) << "prompts were not learnt";
  const Ran answer = place->run("generate --model pet --prompt 'dog 5 ?' --temperature 0 --max-lines 1");
  EXPECT_EQ(answer.out, "it runs .\n");

  const std::string flags = " --task language_model --completions --tokenizer characters --train ";
  place->write("bad.tsv", "fine\tline\n\tno prompt\nno completion\t \n");
  const Ran bad = place->run("train" + flags + "bad.tsv --model new");
  expect_one_error(bad, 1);
  EXPECT_NE(bad.err.find("bad.tsv:3: expected prompt<TAB>completion, got nothing"), std::string::npos) << bad.err;
  const Ran lengths = place->run("train" + flags + "lines.tsv --sequence-length 18 --max-update 1 --model short");
  EXPECT_EQ(lengths.code, 0) << lengths.err;  // "cat 999 ?it sleeps" has 18 characters and a line's end in front
  EXPECT_NE(lengths.err.find(" lines of more pieces than --sequence-length"), std::string::npos) << lengths.err;
  const Ran none = place->run("train" + flags + "lines.tsv --sequence-length 8 --max-update 1 --model new");
  expect_one_error(none, 1);
  EXPECT_NE(none.err.find("all 120 lines have more than 8 pieces"), std::string::npos) << none.err;
}

TEST_F(LanguageModels, bench_says_how_long_a_piece_takes_at_each_position) {
  const Ran ran = place->run("bench generate --model lm --positions 1 40 --pieces 4 --format json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto rows = json::parse(ran.out)["positions"];
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1]["position"], 40);
  for (const auto& row : rows) {
    EXPECT_GT(row["seconds_per_piece"].get<double>(), 0);
    EXPECT_NEAR(row["pieces_per_second"].get<double>() * row["seconds_per_piece"].get<double>(), 1, 1e-9);
  }
  EXPECT_NE(place->run("bench generate --model lm --positions 3").out.find("microseconds a piece"), std::string::npos);
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
  const Ran far = place->run("bench generate --model learned --positions 32 --pieces 2");
  expect_one_error(far, 2);
  EXPECT_NE(far.err.find("reach beyond the 32 positions"), std::string::npos) << far.err;
  const Ran tested = place->run("evaluate --model learned --test valid.txt --sequence-length 33");
  expect_one_error(tested, 1);
  EXPECT_NE(tested.err.find("a sequence of 33 pieces"), std::string::npos) << tested.err;
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
  for (const std::string other :
       {"duplication.toml", "listops.toml --labels 10", "byte-classification.toml --labels 2"}) {
    const Ran described = place->run("describe --config " ATTUNE_SOURCE_DIR "/examples/" + other);
    EXPECT_EQ(described.code, 0) << described.err;
  }
}

TEST_F(LanguageModels, compare_puts_them_into_one_table) {
  const std::string common =
      "task = \"language-model\"\ntokenizer = \"characters\"\nsequence-length = 32\ndecoder-layers = 1\nwidth = 16\n"
      "heads = 2\nfeed-forward = 32\nbatch-tokens = 300\nmax-update = 6\n";
  place->write("scaled.toml", common);
  place->write("gru.toml", common + "decoder-mixer = \"gru\"\n");
  const Ran ran = place->run(
      "compare --configs scaled.toml gru.toml --train train.txt --valid valid.txt --threads 1 --directory rows "
      "--format json --plot quality.svg");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const std::string svg = place->read("quality.svg");
  for (const char* words : {">scaled<", ">gru<", ">loss (nats)<", ">microseconds of training a token<"}) {
    EXPECT_NE(svg.find(words), std::string::npos) << words;
  }
  const auto table = json::parse(ran.out);
  ASSERT_EQ(table["rows"].size(), 2U);
  for (const auto& row : table["rows"]) {
    const auto last =
        json::parse(lines_of(place->read(row["directory"].get<std::string>() + "/training.jsonl")).back());
    EXPECT_NEAR(row["valid_nll"].get<double>(), last["valid_nll"].get<double>(), 1e-5);
    EXPECT_LT(row["baseline_nll"].get<double>(), row["valid_nll"].get<double>());
    EXPECT_FALSE(row.contains("bleu_beam"));
    const std::string point =
        fmt::format(": {:.6g}, {:.6g}<", 1e6 / row["tokens_per_second"].get<double>(), row["valid_nll"].get<double>());
    EXPECT_NE(svg.find(point), std::string::npos) << point;
  }
}

}  // namespace
}  // namespace attune
