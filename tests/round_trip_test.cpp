// From raw text to a trained model and back through the built program: train, interrupt, resume, translate, score.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "profile_tree.h"
#include "training_place.h"

namespace attune {
namespace {

using testing::expect_shown;
using testing::InOnePlace;
using testing::lines_of;
using testing::Ran;
using testing::scope_at;
using testing::shown_tree;
using testing::TrainingPlace;

const std::string with_words = TrainingPlace::command("model", "--tokenizer words --joint-vocabulary=false ");

class RoundTrip : public InOnePlace<TrainingPlace> {
 protected:
  static void SetUpTestSuite() {
    InOnePlace::SetUpTestSuite();
    trained = place->run(with_words + "--max-update 12");
  }
  void SetUp() override { ASSERT_EQ(trained.code, 0) << trained.err; }

  inline static Ran trained;
};

TEST_F(RoundTrip, leaves_a_model_directory_with_a_report_of_every_step) {
  EXPECT_EQ(trained.out, "");
  for (const char* file : {"config.json", "model.safetensors", "source.words", "target.words", "training.jsonl"}) {
    EXPECT_TRUE(std::filesystem::exists(place->path("model/" + std::string(file)))) << file;
  }
  EXPECT_NE(trained.err.find("200 of 200 sentence pairs"), std::string::npos) << trained.err;
  int64_t last = 0;
  bool validated = false;
  for (const std::string& line : lines_of(place->read("model/training.jsonl"))) {
    const auto report = nlohmann::json::parse(line);
    EXPECT_GE(report["update"].get<int64_t>(), last);
    last = report["update"];
    for (const char* key :
         {"epoch", "loss", "nll", "perplexity", "learning_rate", "gradient_norm", "tokens_per_second", "seconds"}) {
      EXPECT_TRUE(report.contains(key)) << key << " in " << line;
    }
    validated = validated || report.contains("valid_nll");
  }
  EXPECT_EQ(last, 12);
  EXPECT_TRUE(validated);
}

TEST_F(RoundTrip, a_finished_run_says_so_and_stays_as_it_is) {
  const std::string weights = place->read("model/model.safetensors");
  const Ran again = place->run(with_words + "--model model --max-update 12");
  EXPECT_EQ(again.code, 0);
  EXPECT_NE(again.err.find("finished"), std::string::npos) << again.err;
  EXPECT_EQ(place->read("model/model.safetensors"), weights);
}

TEST_F(RoundTrip, another_setting_is_refused_and_named) {
  for (const char* other : {"--width 32", "--lr 0.02", "--vocab-size 100", "--valid test.en test.vi"}) {
    SCOPED_TRACE(other);
    const Ran ran = place->run(with_words + "--model model --max-update 24 " + other);
    EXPECT_EQ(ran.code, 2) << ran.err;
    const std::string key = std::string(other).substr(2, std::string(other).find(' ') - 2);
    EXPECT_NE(ran.err.find(key), std::string::npos) << ran.err;
  }
}

TEST_F(RoundTrip, a_run_in_two_parts_ends_with_the_same_bits) {
  ASSERT_EQ(place->run(with_words + "--model parts --max-update 7").code, 0);
  const Ran rest = place->run(with_words + "--model parts --max-update 12");
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_TRUE(place->read("parts/model.safetensors") == place->read("model/model.safetensors"));
}

TEST_F(RoundTrip, a_profile_shows_the_whole_training_and_changes_no_bit) {
  const Ran ran = place->run("--profile=profile.json " + with_words + "--model profiled --max-update 12");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "");
  EXPECT_TRUE(place->read("profiled/model.safetensors") == place->read("model/model.safetensors"));
  const auto file = nlohmann::json::parse(place->read("profile.json"));
  EXPECT_GT(file["processor_seconds"].get<double>(), 0);
  const auto& total = file["scopes"];
  EXPECT_EQ(total["seconds"], file["seconds"]);
  const auto shown = shown_tree(ran.err);
  ASSERT_EQ(shown.count("total"), 1U) << ran.err;
  EXPECT_EQ(shown.at("total").share, 100) << ran.err;
  expect_shown(total, "", file["seconds"], shown);
  for (const char* path :
       {"update", "update/make_batch", "update/encoder", "update/linear_cross_entropy", "update/backward",
        "update/backward/linear_cross_entropy", "update/optimizer_step", "update/norm"}) {
    EXPECT_EQ(scope_at(total, path)["calls"], 12) << path;
  }
  for (const char* path : {"read_corpus", "train_tokenizer", "tokenize", "validation/encoder", "write_checkpoint",
                           "write_model", "update/encoder/encoder.layer/self_attention/scaled_dot",
                           "update/decoder/decoder.layer/cross_attention/linear/product", "update/backward/layer_norm",
                           "update/backward/scaled_dot", "update/backward/embedding"}) {
    EXPECT_GT(scope_at(total, path)["calls"], 0) << path;
  }
  EXPECT_GT(scope_at(total, "update/backward/linear/product")["flops"], 0);
}

TEST_F(RoundTrip, a_profile_of_decoding_tells_its_parts_and_changes_no_output) {
  const Ran ran = place->run("--profile=decoding.json translate --model model --beam-size 3 --alignment < test.en");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, place->run("translate --model model --beam-size 3 --alignment < test.en").out);
  const auto total = nlohmann::json::parse(place->read("decoding.json"))["scopes"];
  for (const char* path : {"load_model", "tokenize", "search/encoder", "search/decoder.step", "search/linear",
                           "search/next_pieces", "search/reorder/reorder_cache", "align"}) {
    EXPECT_GT(scope_at(total, path)["calls"], 0) << path;
  }
}

TEST_F(RoundTrip, an_interrupted_training_has_a_profile) {
  const Ran ran =
      place->shell(ATTUNE_PROGRAM " --profile " + with_words +
                   "--model cut-off --max-update 100000 & program=$!; "
                   "until ls cut-off/checkpoints/step-* > /dev/null 2>&1 || ! kill -0 $program; do sleep 0.02; done; "
                   "kill -TERM $program; wait $program");
  EXPECT_EQ(ran.code, 143) << ran.err;
  EXPECT_LT(ran.err.find("interrupted and saved"), ran.err.find("\nupdate  ")) << ran.err;
  EXPECT_GT(shown_tree(ran.err)["update"].calls, 3) << ran.err;
}

TEST_F(RoundTrip, translations_keep_the_order_and_do_not_depend_on_batches_or_threads) {
  std::string gaps("\n");
  gaps += place->read("test.en");
  gaps += "   \n\n" + lines_of(place->read("valid.en"))[0];
  place->write("gaps.en", gaps);
  const Ran one = place->run("translate --model model --scores --threads 1 < gaps.en");
  ASSERT_EQ(one.code, 0) << one.err;
  const auto lines = lines_of(one.out);
  ASSERT_EQ(lines.size(), 24U);
  for (const size_t empty : {0, 21, 22}) {
    EXPECT_EQ(lines[empty].substr(lines[empty].find('\t') + 1), "");
  }
  EXPECT_EQ(place->run("translate --model model --scores --threads 2 --batch-size 3 < gaps.en").out, one.out);
  EXPECT_NE(one.err.find("log p"), std::string::npos) << "the score's formula belongs into the log: " << one.err;
}

TEST_F(RoundTrip, n_best_lists_are_numbered_and_sorted) {
  const Ran ran = place->run("translate --model model --beam-size 4 --n-best 3 --alignment < test.en");
  ASSERT_EQ(ran.code, 0) << ran.err;
  double before = 0;
  int last = -1, lines = 0;
  for (const std::string& line : lines_of(ran.out)) {
    const size_t text = line.find(" ||| ") + 5, score = line.find(" ||| ", text) + 5, links = line.find(" ||| ", score);
    ASSERT_NE(links, std::string::npos) << line;
    const int number = std::stoi(line);
    const double value = std::stod(line.substr(score));
    EXPECT_TRUE(number == last + 1 || (number == last && value <= before)) << line;
    last = number;
    before = value;
    ++lines;
  }
  EXPECT_EQ(last, 19);
  EXPECT_EQ(lines, 3 * 20);
}

TEST_F(RoundTrip, translations_as_json_are_those_of_the_text) {
  const std::string command = "translate --model model --beam-size 3 --max-decoding-length 12 --alignment ";
  const auto text = lines_of(place->run(command + "--scores < test.en").out);
  const auto json = lines_of(place->run(command + "--format json < test.en").out);
  ASSERT_EQ(text.size(), 20U);
  ASSERT_EQ(json.size(), text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const auto line = nlohmann::json::parse(json[i]);
    EXPECT_EQ(line["line"], i);
    ASSERT_EQ(line["candidates"].size(), 1U);
    const auto& best = line["candidates"][0];
    EXPECT_NEAR(best["score"].get<double>(), std::stod(text[i]), 1e-6);
    const size_t begin = text[i].find('\t') + 1, end = text[i].rfind(" ||| ");
    EXPECT_EQ(best["text"], text[i].substr(begin, end - begin));
    EXPECT_TRUE(best["alignment"].is_array());
  }
}

TEST_F(RoundTrip, requests_as_json_get_their_ids_back_and_the_translations_of_the_text) {
  const auto sources = lines_of(place->read("test.en"));
  std::string requests;
  for (size_t i = 0; i < sources.size(); ++i) {
    nlohmann::json request{{"text", sources[i]}};
    if (i % 3 != 0) {
      request["id"] = i % 3 == 1 ? nlohmann::json(i) : nlohmann::json("no. " + std::to_string(i));
    }
    requests += request.dump() + "\n";
  }
  place->write("requests.jsonl", requests);
  const std::string command = "translate --model model --max-decoding-length 12 ";
  const auto text = lines_of(place->run(command + "< test.en").out);
  EXPECT_EQ(lines_of(place->run(command + "--input-format json < requests.jsonl").out), text);
  const auto json = lines_of(place->run(command + "--input-format json --format json < requests.jsonl").out);
  ASSERT_EQ(json.size(), text.size());
  for (size_t i = 0; i < json.size(); ++i) {
    const auto line = nlohmann::json::parse(json[i]);
    EXPECT_EQ(line["candidates"][0]["text"], text[i]);
    EXPECT_EQ(line.value("id", nlohmann::json()),
              nlohmann::json::parse(lines_of(requests)[i]).value("id", nlohmann::json()));
  }
  place->write("requests.jsonl", requests + "{\"txet\": \"x\"}\n");
  const Ran bad = place->run(command + "--input-format json < requests.jsonl");
  EXPECT_EQ(bad.code, 1);
  EXPECT_NE(bad.err.find("error: standard input:21: unknown key \"txet\""), std::string::npos) << bad.err;
}

TEST_F(RoundTrip, the_same_seed_gives_the_same_files_for_any_number_of_threads) {
  for (const std::string compute : {"float32", "bfloat16"}) {
    std::string weights;
    for (const std::string threads : {"1", "2", "5"}) {
      const std::string directory = "threads-" + compute + "-" + threads;
      const Ran ran = place->run(
          "train --train train.en train.vi --tokenizer unigram --vocab-size 150 --encoder-layers 1 --decoder-layers 1 "
          "--width 64 --heads 2 --feed-forward 256 --batch-tokens 900 --max-update 3 --log-freq 1 --seed 7 "
          "--ema-decay 0.9 --compute-type " +
          compute + " --threads " + threads + " --model " + directory);
      ASSERT_EQ(ran.code, 0) << ran.err;
      const std::string now = place->read(directory + "/model.safetensors") + place->read(directory + "/joint.spm");
      EXPECT_TRUE(weights.empty() || now == weights) << compute << ", " << threads << " threads";
      weights = now;
    }
  }
}

TEST_F(RoundTrip, scores_agree_between_text_json_and_the_search) {
  const Ran text = place->run("score --model model --source test.en --target test.vi");
  ASSERT_EQ(text.code, 0) << text.err;
  const Ran ran = place->run("score --model model --source test.en --target test.vi --format json --batch-tokens 50");
  const auto json = nlohmann::json::parse(ran.out);
  const auto lines = lines_of(text.out);
  ASSERT_EQ(lines.size(), 20U);
  for (size_t i = 0; i < lines.size(); ++i) {
    const auto& sentence = json["sentences"][i];
    double sum = 0;
    for (const auto& token : sentence["tokens"]) {
      sum += token["log_probability"].get<double>();
    }
    EXPECT_NEAR(sum, sentence["log_probability"].get<double>(), 1e-4);
    EXPECT_NEAR(std::stod(lines[i]), sum, 1e-4);
  }

  // What the search says of its own output (without length penalty) is what score says of it.
  const Ran searched =
      place->run("translate --model model --scores --length-penalty none --max-decoding-length 12 < test.en");
  std::string outputs;
  std::vector<double> scores;
  for (const std::string& line : lines_of(searched.out)) {
    scores.push_back(std::stod(line));
    outputs += line.substr(line.find('\t') + 1) + "\n";
  }
  place->write("outputs.vi", outputs);
  const auto scored = lines_of(place->run("score --model model --source test.en --target outputs.vi").out);
  ASSERT_EQ(scored.size(), scores.size());
  for (size_t i = 0; i < scores.size(); ++i) {  // where an output was cut short, its </s> is counted all the same
    EXPECT_NEAR(std::stod(scored[i]), scores[i], 1e-3);
  }
}

TEST_F(RoundTrip, alignments_of_given_pairs_have_the_error_that_evaluate_finds_in_each_head) {
  // The corpus of the test place, with its gold links.
  ASSERT_EQ(place->run("corpus --task grammar --train 200 --valid 20 --test 20 --seed 3 --directory grammar").code, 0);
  ASSERT_EQ(place->read("grammar/test.en"), place->read("test.en"));
  const std::string pairs = " --model model --source test.en --target test.vi ",
                    gold = "--alignment grammar/test.align ";
  const Ran all = place->run("evaluate " + gold + pairs + "--batch-size 3 --format json");
  ASSERT_EQ(all.code, 0) << all.err;
  const auto report = nlohmann::json::parse(all.out)["alignment"];
  ASSERT_EQ(report["heads"].size(), 4U) << "one layer of two heads, its mean and the mean of all layers";
  double best = 1;
  for (const auto& row : report["heads"]) {
    const auto flag = [&](const char* name, const char* key) {
      return std::string(name) + (row[key].is_string() ? "-1" : row[key].dump());
    };
    const Ran one =
        place->run("score" + pairs + flag("--alignment-layer=", "layer") + flag(" --alignment-head=", "head") +
                   " | " ATTUNE_PROGRAM " evaluate --format json " + gold);
    ASSERT_EQ(one.code, 0) << one.err;
    const auto score = nlohmann::json::parse(one.out)["alignment"];
    EXPECT_GT(score["links"].get<int>(), 0);
    for (const auto& [key, value] : score.items()) {
      EXPECT_EQ(row[key], value) << row.dump();
    }
    best = row["head"].is_number() ? std::min(best, score["error_rate"].get<double>()) : best;
  }
  EXPECT_EQ(report["best"]["error_rate"], best);
  EXPECT_GT(report["diagonal"]["error_rate"].get<double>(), 0.3) << "the grammar changes the order of words";

  const Ran text = place->run("score" + pairs + "--alignment --tokens");
  const Ran plain = place->run("score" + pairs + "--tokens");
  const auto sentences =
      nlohmann::json::parse(place->run("score" + pairs + "--alignment --format json").out)["sentences"];
  const auto lines = lines_of(text.out), without = lines_of(plain.out);
  ASSERT_EQ(lines.size(), sentences.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    std::string links;
    for (const auto& link : sentences[i]["alignment"]) {
      links.append(links.empty() ? "" : " ").append(link[0].dump()).append("-").append(link[1].dump());
    }
    EXPECT_EQ(lines[i], without[i] + " ||| " + links);
  }
  const Ran table = place->run("evaluate " + gold + pairs);
  EXPECT_NE(table.out.find("\nthe diagonal "), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("\nbest head: layer 0, head "), std::string::npos) << table.out;
  for (const char* bad : {"--alignment-layer 1", "--alignment-head 2", "--alignment-head=-2"}) {
    EXPECT_EQ(place->run("score" + pairs + bad).code, 2) << bad;
  }
}

TEST_F(RoundTrip, sentencepiece_from_one_tsv_file_works_as_well) {
  const Ran ran = place->run(
      "train --train train.tsv --valid valid.tsv --encoder-layers 1 --decoder-layers 1 --width 16 --heads 2 "
      "--feed-forward 32 --batch-tokens 400 --vocab-size 120 --tied-embeddings all --max-update 4 --valid-freq 4 "
      "--valid-bleu --lowercase --max-train-length 40 --model pieces");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_TRUE(std::filesystem::exists(place->path("pieces/joint.spm")));
  EXPECT_NE(ran.err.find("longer than 40 pieces"), std::string::npos) << ran.err;
  EXPECT_NE(place->read("pieces/training.jsonl").find("valid_bleu"), std::string::npos);
  const Ran translated = place->run("translate --model pieces --max-decoding-length 5 < test.en");
  EXPECT_EQ(translated.code, 0) << translated.err;
  EXPECT_EQ(lines_of(translated.out).size(), 20U);
  EXPECT_NE(translated.err.find("cut short"), std::string::npos) << translated.err;
}

}  // namespace
}  // namespace attune
