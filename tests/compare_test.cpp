// attune compare from configs to the table: interrupted, resumed, measured again, with rows that fail.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "attune/data/grammar.h"
#include "attune/text/unicode.h"
#include "program.h"

namespace attune {
namespace {

using nlohmann::json;
using testing::InOnePlace;
using testing::lines_of;
using testing::Ran;
using testing::Workplace;

const std::string data = "--train train.en train.vi --valid valid.en valid.vi ";
const std::string test = "--test test.en test.vi ";
const std::string tiny =
    "--tokenizer words --joint-vocabulary=false --encoder-layers 1 --decoder-layers 1 --heads 2 --feed-forward 32 "
    "--batch-tokens 300 --warmup-updates 4 --log-freq 2 --save-freq 4 --threads 1 --max-decoding-length 12 ";
const std::string basic = "compare " + data + tiny + "--lr 0.02 --max-update 12 --configs narrow.toml wide.toml ";

class Compare : public InOnePlace<Workplace> {
 protected:
  static void SetUpTestSuite() {
    InOnePlace::SetUpTestSuite();
    const GeneratedCorpus corpus = make_grammar_corpus({.train = 200, .valid = 20, .test = 20, .seed = 3});
    write("train", corpus.train);
    write("valid", corpus.valid);
    write("test", corpus.test);
    place->write("narrow.toml", "width = 16\n");
    place->write("wide.toml", "width = 24\n");
    compared = place->run(basic + test + "--directory basic");
  }
  static void write(const std::string& name, const std::vector<GeneratedPair>& pairs) {
    std::string source, target;
    for (const GeneratedPair& pair : pairs) {
      source += pair.source + "\n";
      target += pair.target + "\n";
    }
    place->write(name + ".en", source);
    place->write(name + ".vi", target);
  }
  void SetUp() override { ASSERT_EQ(compared.code, 0) << compared.err; }

  // What a row that has nothing left to do must not touch.
  static std::string files_of(const std::string& row) {
    std::string all;
    for (const std::string name : {"model.safetensors", "finished.json", "training.jsonl", "comparison.json"}) {
      all += place->read(row + "/" + name) + "\n";
    }
    return all;
  }
  static void copy(const std::string& from, const std::string& to) {
    std::filesystem::copy(place->path(from), place->path(to), std::filesystem::copy_options::recursive);
  }
  static json result_of(const std::string& row) { return json::parse(place->read(row + "/comparison.json")); }

  inline static Ran compared;
};

// A figure as the table shows it: rounded, with separators.
void expect_shown(const std::string& cell, double value) {
  const size_t point = cell.find('.');
  std::string digits = cell;
  std::erase(digits, ',');
  const double unit = point == std::string::npos ? 1 : std::pow(10.0, -static_cast<double>(cell.size() - point - 1));
  EXPECT_NEAR(std::stod(digits), value, 0.5000001 * unit) << cell;
}

// The figures of a row, as its columns stand.
std::vector<std::string> keys_of(const json& row) {
  std::vector<std::string> keys{"parameters", "updates",          "minutes",     "tokens_per_second",
                                "valid_nll",  "valid_perplexity", "bleu_greedy", "bleu_beam"};
  const std::vector<int> bounds = row["length_bounds"];
  for (size_t i = 0; i <= bounds.size(); ++i) {
    const std::string from = i == 0 ? "" : std::to_string(bounds[i - 1] + 1);
    keys.push_back(i == 0               ? "bleu_up_to_" + std::to_string(bounds[i])
                   : i == bounds.size() ? "bleu_from_" + from
                                        : "bleu_" + from + "_to_" + std::to_string(bounds[i]));
  }
  keys.insert(keys.end(), {"attention_entropy", "even_entropy"});
  return keys;
}

TEST_F(Compare, table_and_json_agree_and_hold_what_the_other_commands_say) {
  const Ran again = place->run(basic + test + "--directory basic --format json");
  ASSERT_EQ(again.code, 0) << again.err;
  const json rows = json::parse(again.out)["rows"];
  ASSERT_EQ(rows.size(), 2U);
  const auto lines = lines_of(compared.out);
  ASSERT_GE(lines.size(), 3U) << compared.out;
  const std::vector<std::string> keys = keys_of(rows[0]);
  for (size_t i = 0; i < 2; ++i) {
    const auto cells = split_whitespace(lines[i + 1]);
    ASSERT_EQ(cells.size(), keys.size() + 1) << lines[i + 1];
    EXPECT_EQ(cells[0], rows[i]["name"]);
    for (size_t k = 0; k < keys.size(); ++k) {
      SCOPED_TRACE(keys[k]);
      expect_shown(std::string(cells[k + 1]), rows[i][keys[k]].get<double>());
    }
  }
  EXPECT_NE(compared.out.find("nrefs:1|case:mixed|eff:no|tok:none|smooth:exp on test.en and test.vi"),
            std::string::npos)
      << compared.out;
  EXPECT_NE(compared.out.find("on valid.en and valid.vi"), std::string::npos);

  const json& row = rows[1];
  EXPECT_EQ(row["updates"], 12);
  EXPECT_EQ(row["config"], "wide.toml");
  const json described = json::parse(place->run("describe --model basic/wide --format json").out);
  EXPECT_EQ(row["parameters"], described["parameters"]);
  const json report = json::parse(lines_of(place->read("basic/wide/training.jsonl")).back());
  EXPECT_NEAR(row["valid_nll"].get<double>(), report["valid_nll"].get<double>(), 1e-9);
  EXPECT_NEAR(row["minutes"].get<double>(), report["seconds"].get<double>() / 60, 1e-9);
  for (const auto& [key, beam] : {std::pair{"bleu_greedy", "1"}, std::pair{"bleu_beam", "5"}}) {
    const Ran bleu = place->shell(
        std::string(ATTUNE_PROGRAM " translate --model basic/wide --max-decoding-length 12 --beam-size ") + beam +
        " < test.en | " ATTUNE_PROGRAM " evaluate --reference test.vi --tokenize none --metrics bleu --format json");
    EXPECT_EQ(row[key], json::parse(bleu.out)["bleu"]["score"]) << key;
    EXPECT_GT(row[key].get<double>(), 0);
  }
}

TEST_F(Compare, scores_short_and_long_sentences_apart) {
  const json all = json::parse(place->run(basic + test + "--directory basic --format json").out);
  const json& row = all["rows"][1];
  const std::vector<int> thirds = row["length_bounds"];
  ASSERT_EQ(thirds.size(), 2U);
  const auto sources = lines_of(place->read("test.en")), references = lines_of(place->read("test.vi"));
  const auto outputs =
      lines_of(place->run("translate --model basic/wide --max-decoding-length 12 --beam-size 5 < test.en").out);
  size_t fewest = sources.size();
  for (size_t bucket = 0; bucket < 3; ++bucket) {
    std::string some, expected;
    size_t count = 0;
    for (size_t i = 0; i < sources.size(); ++i) {
      const int words = static_cast<int>(split_whitespace(sources[i]).size());
      if ((bucket == 0 || words > thirds[bucket - 1]) && (bucket == 2 || words <= thirds[bucket])) {
        some += outputs[i] + "\n";
        expected += references[i] + "\n";
        ++count;
      }
    }
    fewest = std::min(fewest, count);
    place->write("some", some);
    place->write("expected", expected);
    const Ran bleu = place->run("evaluate --reference expected --tokenize none --metrics bleu --format json < some");
    EXPECT_EQ(row[keys_of(row)[8 + bucket]], json::parse(bleu.out)["bleu"]["score"]) << bucket;
  }
  EXPECT_GE(fewest, 3U) << "20 sentences in three groups of about the same size";

  copy("basic", "bounds");
  const std::string bounded = basic + test + "--directory bounds --length-bounds 4 9 ";
  const Ran ran = place->run(bounded + "--plot curve.svg");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const auto title = lines_of(ran.out)[0];
  for (const char* words : {" ≤4 ", " 5-9 ", " ≥10 "}) {
    EXPECT_NE(title.find(words), std::string::npos) << title;
  }
  EXPECT_EQ(result_of("bounds/wide")["figures"]["bleu_beam"], row["bleu_beam"]);
  const std::string svg = place->read("curve.svg");
  for (const char* words : {">narrow<", ">wide<", ">BLEU<", ">words of the source<", "prefers-color-scheme"}) {
    EXPECT_NE(svg.find(words), std::string::npos) << words << "\n" << svg;
  }
  EXPECT_EQ(place->run(bounded).err.find("measured before") != std::string::npos, true) << "nothing is left to do";
}

TEST_F(Compare, the_attention_of_the_mean_is_even_and_a_models_own_is_not) {
  place->write("even.toml", "width = 16\ncross-mixer = \"mean\"\n");
  const Ran ran =
      place->run("compare " + data + tiny + "--max-update 2 --configs even.toml --directory even --format json");
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json row = json::parse(ran.out)["rows"][0];
  EXPECT_NEAR(row["attention_entropy"].get<double>(), row["even_entropy"].get<double>(), 1e-5);
  const json figures = result_of("basic/wide")["figures"];
  EXPECT_LT(figures["attention_entropy"].get<double>(), figures["even_entropy"].get<double>() - 1e-3);
  EXPECT_NEAR(figures["even_entropy"].get<double>(), row["even_entropy"].get<double>(), 1e-9);
}

TEST_F(Compare, a_row_measured_before_there_were_these_columns_is_measured_again_and_keeps_its_time) {
  copy("basic", "older");
  json older = result_of("older/wide");
  const json whole = older;
  older["measured_on"].erase("length-bounds");
  for (const char* key : {"attention_entropy", "even_entropy"}) {
    older["figures"].erase(key);
  }
  place->write("older/wide/comparison.json", older.dump());
  std::filesystem::remove_all(place->path("older/wide/checkpoints"));
  ASSERT_EQ(place->run(basic + test + "--directory older").code, 0);
  EXPECT_EQ(result_of("older/wide"), whole);
}

TEST_F(Compare, rows_that_are_done_are_left_alone) {
  const std::string narrow = files_of("basic/narrow"), wide = files_of("basic/wide");
  const auto written = [&] { return std::filesystem::last_write_time(place->path("basic/wide/comparison.json")); };
  const auto before = written();
  const Ran again = place->run(basic + test + "--directory basic");
  EXPECT_EQ(again.code, 0);
  EXPECT_EQ(again.out, compared.out);
  EXPECT_NE(again.err.find("narrow: trained and measured before"), std::string::npos) << again.err;
  EXPECT_NE(again.err.find("wide: trained and measured before"), std::string::npos) << again.err;
  EXPECT_TRUE(files_of("basic/narrow") == narrow && files_of("basic/wide") == wide);
  EXPECT_EQ(written(), before);
}

TEST_F(Compare, another_test_set_or_search_is_measured_again_without_training) {
  copy("basic", "measured");
  const std::string weights = place->read("measured/wide/model.safetensors");
  const std::string log = place->read("measured/wide/training.jsonl");
  const json before = result_of("measured/wide");

  ASSERT_EQ(place->run(basic + test + "--directory measured --beam-size 2").code, 0);
  EXPECT_EQ(result_of("measured/wide")["measured_on"]["beam-size"], "2");
  EXPECT_EQ(result_of("measured/wide")["figures"]["bleu_greedy"], before["figures"]["bleu_greedy"]);

  // The same names, other sentences.
  place->write("changing.en", place->read("test.en"));
  place->write("changing.vi", place->read("test.vi"));
  const std::string changing = basic + "--directory measured --test changing.en changing.vi";
  const Ran same = place->run(changing);
  EXPECT_EQ(same.code, 0) << same.err;
  EXPECT_EQ(result_of("measured/wide"), before) << "equal sentences under another name, the first search";
  place->write("changing.vi", place->read("valid.vi"));
  ASSERT_EQ(place->run(changing).code, 0);
  EXPECT_NE(result_of("measured/wide")["figures"]["bleu_beam"], before["figures"]["bleu_beam"]);
  EXPECT_EQ(result_of("measured/wide")["figures"]["valid_nll"], before["figures"]["valid_nll"]);

  // Trained and not yet measured, and measured and then damaged.
  for (const char* lost : {"", "{\"format-version\": 1, \"figures\": {\"upd"}) {
    std::filesystem::remove(place->path("measured/wide/comparison.json"));
    if (*lost != '\0') {
      place->write("measured/wide/comparison.json", lost);
    }
    const Ran ran = place->run(basic + test + "--directory measured");
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(ran.err.find("measured/wide/comparison.json") != std::string::npos, *lost != '\0') << ran.err;
    EXPECT_EQ(result_of("measured/wide"), before);
  }
  EXPECT_TRUE(place->read("measured/wide/model.safetensors") == weights);
  EXPECT_EQ(place->read("measured/wide/training.jsonl"), log);
}

TEST_F(Compare, results_outlive_checkpoints_that_were_thrown_away) {
  copy("basic", "light");
  std::filesystem::remove_all(place->path("light/narrow/checkpoints"));
  const Ran ran = place->run(basic + test + "--directory light");
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, compared.out);
}

TEST_F(Compare, another_training_setting_is_refused_and_a_higher_limit_trains_on) {
  copy("basic", "changed");
  const std::string narrow = files_of("changed/narrow");
  const Ran refused = place->run(basic + test + "--directory changed --dropout 0.3");
  EXPECT_EQ(refused.code, 1) << refused.err;
  EXPECT_NE(refused.out.find("narrow  failed: changed/narrow: holds a run with other settings"), std::string::npos)
      << refused.out;
  EXPECT_NE(refused.out.find("dropout: 0.1 in the checkpoint, 0.3 now"), std::string::npos) << refused.out;
  EXPECT_TRUE(files_of("changed/narrow") == narrow);

  ASSERT_EQ(place->run(basic + test + "--directory changed --max-update 15").code, 0);
  EXPECT_EQ(result_of("changed/narrow")["figures"]["updates"], 15);
  EXPECT_NE(result_of("changed/narrow")["measured_on"]["model"], result_of("basic/narrow")["measured_on"]["model"]);
}

TEST_F(Compare, goes_on_after_a_signal_and_after_being_killed) {
  const std::string command = "compare " + data + tiny + "--lr 0.02 --configs narrow.toml long.toml ";
  const auto broken_off = [&](const std::string& signal,
                              int update) {  // once that checkpoint of the second row is there
    place->write("long.toml", "width = 20\nmax-update = 1000000\n");
    const std::string checkpoint = "broken/long/checkpoints/step-" + std::to_string(update);
    return place->shell(ATTUNE_PROGRAM " " + command + "--directory broken & program=$!; while ! test -e " +
                        checkpoint + " && kill -0 $program; do sleep 0.01; done; kill -" + signal +
                        " $program; wait $program");
  };
  const auto reached = [&] {
    return json::parse(lines_of(place->read("broken/long/training.jsonl")).back())["update"].get<int>();
  };
  place->write("narrow.toml", "width = 16\nmax-update = 12\n");
  const Ran terminated = broken_off("TERM", 4);
  EXPECT_EQ(terminated.code, 143) << terminated.err;
  EXPECT_EQ(terminated.out, "");
  EXPECT_NE(terminated.err.find("interrupted; the same command goes on with long"), std::string::npos)
      << terminated.err;
  const std::string narrow = files_of("broken/narrow");
  const Ran killed = broken_off("KILL", (reached() / 4 + 3) * 4);
  EXPECT_EQ(killed.code, 137) << killed.err;

  place->write("long.toml", "width = 20\nmax-update = " + std::to_string(reached() + 9) + "\n");
  const Ran rest = place->run(command + "--directory broken");
  ASSERT_EQ(rest.code, 0) << rest.err;
  EXPECT_NE(rest.err.find("narrow: trained and measured before"), std::string::npos) << rest.err;
  EXPECT_TRUE(files_of("broken/narrow") == narrow);
  const Ran whole = place->run(command + "--directory whole");
  ASSERT_EQ(whole.code, 0) << whole.err;
  for (const char* row : {"narrow", "long"}) {
    const std::string at = std::string("/") + row;
    EXPECT_TRUE(place->read("broken" + at + "/model.safetensors") == place->read("whole" + at + "/model.safetensors"));
    json one = result_of("broken" + at), other = result_of("whole" + at);
    for (json* result : {&one, &other}) {
      (*result)["figures"].erase("minutes");
      (*result)["figures"].erase("tokens_per_second");
    }
    EXPECT_EQ(one, other);
  }
  place->write("narrow.toml", "width = 16\n");
}

TEST_F(Compare, a_row_that_fails_does_not_lose_the_others) {
  place->write("diverges.toml", "width = 16\noptimizer = \"sgd\"\nlr = 1e9\nclip-norm = 0\n");
  const std::string command = "compare " + data + tiny + "--max-update 12 --configs diverges.toml wide.toml ";
  const Ran ran = place->run(command + "--directory failing");
  EXPECT_EQ(ran.code, 1) << ran.err;
  const auto lines = lines_of(ran.out);
  ASSERT_GE(lines.size(), 3U) << ran.out;
  EXPECT_EQ(lines[1].find("diverges  failed: training stopped at update "), 0U) << ran.out;
  EXPECT_EQ(split_whitespace(lines[2]).size(), 14U) << lines[2];
  EXPECT_NE(ran.err.find("error: diverges failed: training stopped"), std::string::npos) << ran.err;

  const Ran again = place->run(command + "--directory failing --format json");
  EXPECT_EQ(again.code, 1);
  const json rows = json::parse(again.out)["rows"];
  EXPECT_NE(rows[0]["error"].get<std::string>().find("training stopped"), std::string::npos);
  EXPECT_EQ(rows[0].count("bleu_beam"), 0U);
  EXPECT_EQ(rows[1]["updates"], 12);
  EXPECT_NE(again.err.find("wide: trained and measured before"), std::string::npos) << again.err;
}

TEST_F(Compare, seeds_give_rows_with_their_mean_and_sample_standard_deviation) {
  const std::string command = "compare " + data + tiny + "--max-update 6 --configs narrow.toml --seeds 4 7 9 ";
  const Ran text = place->run(command + "--directory seeds");
  ASSERT_EQ(text.code, 0) << text.err;
  const json all = json::parse(place->run(command + "--directory seeds --format json").out);
  ASSERT_EQ(all["rows"].size(), 3U);
  EXPECT_EQ(all["rows"][1]["name"], "narrow-seed-7");
  EXPECT_EQ(all["rows"][1]["seed"], 7);
  ASSERT_EQ(all["summary"].size(), 1U);
  for (const std::string& key : keys_of(all["rows"][0])) {
    SCOPED_TRACE(key);
    double values[3], mean = 0, squares = 0;
    for (size_t i = 0; i < 3; ++i) {
      values[i] = all["rows"][i][key];
      mean += values[i] / 3;
    }
    for (const double value : values) {
      squares += (value - mean) * (value - mean);
    }
    EXPECT_NEAR(all["summary"][0][key]["mean"].get<double>(), mean, 1e-9 * mean);
    EXPECT_NEAR(all["summary"][0][key]["standard_deviation"].get<double>(), std::sqrt(squares / 2), 1e-9 * mean);
  }
  EXPECT_NE(all["rows"][0]["valid_nll"], all["rows"][1]["valid_nll"]);
  const json& nll = all["summary"][0]["valid_nll"];
  char shown[64];
  std::snprintf(shown, sizeof shown, "%.4f ± %.4f", nll["mean"].get<double>(), nll["standard_deviation"].get<double>());
  EXPECT_NE(text.out.find("narrow.toml, 3 of 3 rows"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find(shown), std::string::npos) << shown << "\n" << text.out;
}

TEST_F(Compare, a_flag_wins_over_the_environment_and_that_over_each_rows_config) {
  place->write("first.toml", "width = 16\nfeed-forward = 20\nmax-update = 1\nbeam-size = 2\n");
  place->write("second.toml", "width = 16\nmax-update = 2\n");
  const std::string command = "compare " + data +
                              "--tokenizer words --encoder-layers 1 --decoder-layers 1 --heads 2 --threads 1 " +
                              "--max-decoding-length 5 --configs first.toml second.toml --directory ";
  const auto feed_forward = [&](const std::string& row) {
    return json::parse(place->read(row + "/config.json"))["feed-forward"].get<int>();
  };
  ASSERT_EQ(place->run(command + "of-config").code, 0);
  EXPECT_EQ(feed_forward("of-config/first"), 20);
  EXPECT_EQ(feed_forward("of-config/second"), 2048);
  EXPECT_EQ(result_of("of-config/first")["figures"]["updates"], 1);
  EXPECT_EQ(result_of("of-config/second")["figures"]["updates"], 2);
  EXPECT_EQ(result_of("of-config/first")["measured_on"]["beam-size"], "2");
  EXPECT_EQ(result_of("of-config/second")["measured_on"]["beam-size"], "5");
  ASSERT_EQ(place->run(command + "of-environment", "ATTUNE_FEED_FORWARD=24").code, 0);
  EXPECT_EQ(feed_forward("of-environment/first"), 24);
  EXPECT_EQ(feed_forward("of-environment/second"), 24);
  ASSERT_EQ(place->run(command + "of-flag --feed-forward 28", "ATTUNE_FEED_FORWARD=24").code, 0);
  EXPECT_EQ(feed_forward("of-flag/first"), 28);
  EXPECT_EQ(feed_forward("of-flag/second"), 28);
}

}  // namespace
}  // namespace attune
