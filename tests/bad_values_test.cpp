// Every numeric flag that any command's help names, with values that nobody can mean; every command with an output that
// nobody takes; and text that is no text, over the commands that read it.
#include <gtest/gtest.h>

#include <set>

#include "training_place.h"

namespace attune {
namespace {

namespace fs = std::filesystem;
using testing::expect_one_error;
using testing::InOnePlace;
using testing::lines_of;
using testing::Ran;
using testing::TrainingPlace;

// A call of each command that works and is quick. A new command without a row fails.
struct Call {
  std::string command;
  bool prints = true;
};
const std::map<std::string, Call> calls{
    {"demo", {"demo --directory made"}},
    {"corpus", {"corpus --task copy --train 20 --valid 5 --test 5 --directory made", false}},
    {"train", {TrainingPlace::command("made", "--tokenizer words --max-update 2 --max-epoch 1"), false}},
    {"translate", {"translate --model model --alignment --max-decoding-length 5 < test.en"}},
    {"fill-mask", {"fill-mask --model masked < masked.txt"}},
    {"generate", {"generate --model language --prompt the --max-tokens 5"}},
    {"classify", {"classify --model classifier < test.en"}},
    {"compare",
     {"compare --train train.en train.vi --valid valid.en valid.vi --configs row.toml --directory made "
      "--max-update 1 --max-epoch 1 --max-decoding-length 5 --beam-size 1"}},
    {"evaluate", {"evaluate --reference test.vi < test.vi"}},
    {"score", {"score --model model --source test.en --target test.vi"}},
    {"inspect", {"inspect --model model --max-decoding-length 5 < test.en"}},
    {"describe", {"describe --model model"}},
    {"diff", {"diff --model model --model model < test.en"}},
    {"explain", {"explain"}},
    {"bench", {"bench products --size 8 --rounds 1"}},
};

class BadValues : public InOnePlace<TrainingPlace> {
 protected:
  static void SetUpTestSuite() {
    InOnePlace::SetUpTestSuite();
    place->write("row.toml",
                 "encoder-layers = 1\ndecoder-layers = 1\nwidth = 16\nheads = 2\nfeed-forward = 32\n"
                 "tokenizer = \"words\"\nbatch-tokens = 300\n");
    trained = place->run(TrainingPlace::command("model", "--tokenizer words --max-update 2"));
    place->write("masked.txt", "the [MASK] sees the dog\n");
    masked =
        place->run(TrainingPlace::command("masked", "--task masked_language_model --tokenizer words --max-update 2"));
    language =
        place->run(TrainingPlace::command("language", "--task language_model --tokenizer characters --max-update 2"));
    classifier =
        place->run(TrainingPlace::command("classifier", "--task classification --tokenizer words --max-update 2"));
    for (const std::string& line : lines_of(place->run("--help").out)) {
      if (line.starts_with("  ")) {
        commands.push_back(line.substr(2, line.find(' ', 2) - 2));
      }
    }
  }
  static void TearDownTestSuite() {
    InOnePlace::TearDownTestSuite();
    commands.clear();
  }
  void SetUp() override {
    ASSERT_EQ(trained.code, 0) << trained.err;
    ASSERT_EQ(masked.code, 0) << masked.err;
    ASSERT_EQ(language.code, 0) << language.err;
    ASSERT_EQ(classifier.code, 0) << classifier.err;
    ASSERT_GE(commands.size(), calls.size());
    for (const std::string& command : commands) {
      ASSERT_EQ(calls.count(command), 1U) << "a new command needs a row in the table above: " << command;
    }
  }
  inline static Ran trained, masked, language, classifier;
  inline static std::vector<std::string> commands;
};

// What stands before the flags: "bench products".
std::string words_of(const std::string& command) {
  const std::string& call = calls.at(command).command;
  return call.substr(0, call.find(" --"));
}

// Flags with a number behind them: N a whole one, X any.
std::vector<std::string> numeric_flags(const TrainingPlace& place, const std::string& command) {
  std::vector<std::string> flags;
  for (const std::string& line : lines_of(place.run(words_of(command) + " --help").out)) {
    if (line.starts_with("  --") && (line.ends_with(" N") || line.ends_with(" X"))) {
      flags.push_back(line.substr(2, line.rfind(' ') - 2));
    }
  }
  return flags;
}

// -1 has a meaning there: as --dropout; the mean of all layers or heads.
const std::set<std::string> may_be_negative{"--embedding-dropout", "--attention-dropout", "--activation-dropout",
                                            "--alignment-layer", "--alignment-head"};

TEST_F(BadValues, no_numeric_flag_takes_nonsense) {
  for (const std::string& command : commands) {
    const auto flags = numeric_flags(*place, command);
    EXPECT_TRUE(!flags.empty() || command == "evaluate") << command;
    // describe: either a model or flags
    const std::string call = command == "describe" ? "describe" : calls.at(command).command;
    for (const std::string& flag : flags) {
      for (const std::string value : {"-1", "1e30", "nan", "abc", "", "99999999999999999999"}) {
        if (value == "-1" && may_be_negative.count(flag) == 1) {
          continue;
        }
        SCOPED_TRACE(command + " " + flag + "='" + value + "'");
        // At the end, where it wins.
        const Ran ran = place->shell("ulimit -v 2000000; " ATTUNE_PROGRAM " " + call + " " + flag + "='" + value + "'");
        expect_one_error(ran, 2);
        EXPECT_NE(ran.err.find(flag.substr(2) + ":"), std::string::npos) << ran.err;
        EXPECT_FALSE(fs::exists(place->path("made"))) << "something was begun";
        fs::remove_all(place->path("made"));
      }
    }
  }
}

// Whole numbers that fit: refused as well, or so harmless that the call just works.
TEST_F(BadValues, the_largest_number_crashes_nothing) {
  for (const std::string& command : commands) {
    const std::string call = command == "describe" ? "describe" : calls.at(command).command;
    for (const std::string& flag : numeric_flags(*place, command)) {
      SCOPED_TRACE(command + " " + flag);
      const Ran ran =
          place->shell("ulimit -v 2000000; timeout 60 " ATTUNE_PROGRAM " " + call + " " + flag + "=2147483647");
      if (ran.code != 0) {
        expect_one_error(ran, ran.code);
        EXPECT_TRUE(ran.code == 1 || ran.code == 2) << ran.code << ": " << ran.err;
      }
      fs::remove_all(place->path("made"));
    }
  }
}

TEST_F(BadValues, an_output_that_cannot_be_written_is_an_error_of_every_command_that_prints) {
  for (const std::string& command : commands) {
    for (const char* where : {" >/dev/full", " >&-"}) {
      SCOPED_TRACE(command + where);
      const Call& call = calls.at(command);
      const Ran ran = place->run(call.command + where);
      if (call.prints) {
        expect_one_error(ran, 1);
        EXPECT_NE(ran.err.find("standard output"), std::string::npos) << ran.err;
      } else {
        EXPECT_EQ(ran.code, 0) << ran.err;
      }
      fs::remove_all(place->path("made"));
      expect_one_error(place->run(command + " --help" + where), 1);
    }
  }
}

TEST_F(BadValues, a_closed_pipe_ends_every_command_quietly) {
  for (const std::string& command : commands) {
    SCOPED_TRACE(command);
    const Call& call = calls.at(command);
    // The reader is gone before the program starts. A redirection in the call comes after the pipe's.
    const Ran ran =
        place->shell("{ sleep 0.1; " ATTUNE_PROGRAM " " + call.command + " 2>said; echo $? >code; } | true");
    EXPECT_EQ(ran.err, "");
    EXPECT_EQ(place->read("code"), call.prints ? "1\n" : "0\n");
    EXPECT_EQ(place->read("said").find("error"), std::string::npos) << place->read("said");
    fs::remove_all(place->path("made"));
  }
}

TEST_F(BadValues, closed_input_and_errors_are_no_file_of_the_model) {
  EXPECT_EQ(place->run("translate --model model <&-").out, "");
  const Ran ran = place->run(calls.at("train").command + " <&- 2>&-");
  EXPECT_EQ(ran.code, 0);
  place->expect_same_run("model", "made", TrainingPlace::Compare::all);
  fs::remove_all(place->path("made"));
}

// ---- Text
// -------------------------------------------------------------------------------------------------------------

struct Text {
  const char* name;
  std::string content;
  const char* says;
};
std::vector<Text> bad_texts() {
  return {
      {"nul.txt", std::string("fine\nnot\0fine\n", 14), ":2: NUL"},
      {"nuls.txt", std::string(1 << 20, '\0'), ":1: NUL"},
      {"latin1.txt", "fine\ncaf\xe9\n", ":2: not UTF-8"},
      {"surrogate.txt", "fine\n\xed\xa0\x80\n", ":2: not UTF-8"},
      {"cut.txt", "fine\n\xf0\x9f\x98", ":2: not UTF-8"},
      {"utf16.txt",
       std::string("\xff\xfe"
                   "a\0\n\0",
                   6),
       ":1: not UTF-8"},
      {"gz-cut.gz", std::string("\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c", 12), "gz-cut.gz"},
  };
}

TEST_F(BadValues, text_that_is_no_text_is_refused_by_every_command_that_reads_it) {
  for (const Text& text : bad_texts()) {
    place->write(text.name, text.content);
    const std::string file = text.name;
    for (const std::string command :
         {"translate --model model < FILE", "inspect --model model < FILE",
          "score --model model --source FILE --target FILE", "score --model model --source test.en --target FILE",
          "evaluate --reference FILE < FILE", "evaluate --reference test.vi < FILE",
          "train --train FILE FILE --model made", "train --train FILE --model made",
          "train --train train.en train.vi --valid FILE FILE --model made", "classify --model classifier < FILE",
          "generate --model language < FILE", "train --task language_model --tokenizer bytes --train FILE --model made",
          "train --task language_model --completions --tokenizer bytes --train FILE --model made",
          "evaluate --model language --test FILE", "evaluate --model classifier --test FILE",
          "train --task classification --train FILE --model made", "train --task tagging --train FILE --model made",
          "train --task classification --tokenizer words --train train.labelled --valid FILE --model made"}) {
      if (file.ends_with(".gz") && command.find("< FILE") != std::string::npos) {
        continue;  // standard input is text
      }
      std::string call = command;
      for (size_t at = call.find("FILE"); at != std::string::npos; at = call.find("FILE")) {
        call.replace(at, 4, file);
      }
      SCOPED_TRACE(call);
      Ran ran = place->run(call);
      // The first line is text, but has no second column.
      const bool has_a_line = text.content.starts_with("fine\n");
      if (command.starts_with("classify")) {  // answers each line before it reads the next one
        EXPECT_EQ(lines_of(ran.out).size(), has_a_line ? 1U : 0U) << ran.out;
        ran.out.clear();
      }
      expect_one_error(ran, 1);
      const char* form = command.starts_with("train --train FILE --")         ? "source<TAB>target"
                         : command.starts_with("train --task tagging")        ? "word<TAB>tag"
                         : command.find("--completions") != command.npos      ? "prompt<TAB>completion"
                         : command.starts_with("evaluate --model classifier") ? "text<TAB>label"
                         : command.find("_model") != command.npos             ? nullptr
                         : command.starts_with("train --task")                ? "text<TAB>label"
                                                                              : nullptr;
      const std::string says = has_a_line && form != nullptr ? std::string(":1: expected ") + form : text.says;
      EXPECT_NE(ran.err.find(says), std::string::npos) << ran.err;
      EXPECT_FALSE(fs::exists(place->path("made")));
    }
  }
}

TEST_F(BadValues, a_line_of_a_megabyte_is_taken_counted_or_refused) {
  std::string many;
  while (many.size() < 1'000'000) {
    many += "cat dog ";
  }
  const std::string one(1'000'000, 'x');
  for (const auto& [name, line] : {std::pair<const char*, const std::string*>{"many", &many}, {"one", &one}}) {
    place->write(name, *line + "\nthe cat runs .\n");
    // The one that minds it most: a long word BPE, repetition unigram.
    for (const char* tokenizer : {"words", line == &one ? "bpe --vocab-size 100" : "unigram --vocab-size 100"}) {
      const std::string side = std::string(name) + "-train";
      place->write(side, place->read("train.en") + *line + "\n");
      const std::string command = "timeout 100 " ATTUNE_PROGRAM " train --train " + side + " " + side + " --valid " +
                                  name + " " + name +
                                  " --width 16 --heads 2 --feed-forward 32 --max-update 2 "
                                  "--encoder-layers 1 --decoder-layers 1 --batch-tokens 300 --model made --tokenizer ";
      SCOPED_TRACE(command + tokenizer);
      const Ran ran = place->shell("ulimit -v 2000000; " + command + tokenizer);
      EXPECT_EQ(ran.code, 0) << ran.err;
      const bool a_word = std::string(tokenizer) == "words" && line == &one;
      EXPECT_EQ(ran.err.find("1 longer than 256 pieces") != std::string::npos, !a_word) << ran.err;
      EXPECT_EQ(ran.err.find("1 of 2 pairs") != std::string::npos, !a_word) << ran.err;
      fs::remove_all(place->path("made"));
    }
  }

  const Ran translated = place->run("translate --model model --max-decoding-length 5 < many");
  EXPECT_EQ(translated.code, 0) << translated.err;
  ASSERT_EQ(lines_of(translated.out).size(), 2U);
  EXPECT_EQ(lines_of(translated.out)[0], "");
  EXPECT_NE(translated.err.find("warning: 1 of 2 lines have more pieces than --max-source-length"), std::string::npos)
      << translated.err;
  EXPECT_EQ(lines_of(place->run("translate --model model --max-decoding-length 5 < one").out).size(), 2U);

  const Ran scored = place->run("score --model model --source many --target many");
  expect_one_error(scored, 1);
  EXPECT_NE(scored.err.find("pair 1: expected sentences of at most 8192 pieces"), std::string::npos) << scored.err;
  EXPECT_EQ(place->run("score --model model --source one --target one").code, 0);
  EXPECT_EQ(place->run("evaluate --reference many < many").code, 0);
  EXPECT_EQ(place->run("evaluate --reference one < one").code, 0);
}

TEST_F(BadValues, a_misspelt_variable_of_the_environment_is_warned_of) {
  const Ran ran = place->run("describe --model model", "ATTUNE_FORMTA=json ATTUNE_BEAM_SIZE=3 ATTUNE_QUAY=x");
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.err, "warning: ATTUNE_FORMTA (environment) is no setting; did you mean ATTUNE_FORMAT?\n");
}

}  // namespace
}  // namespace attune
