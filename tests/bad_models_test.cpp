// Damaged model directories, over every command that reads one: one message that says where, exit code 1, nothing
// written, and no memory by a number that a file claims.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "attune/tensor/safetensors.h"
#include "training_place.h"

namespace attune {
namespace {

namespace fs = std::filesystem;
using testing::expect_one_error;
using testing::InOnePlace;
using testing::Ran;
using testing::TrainingPlace;

// A command that loads a model, and what it reads of it. A new one joins by a row.
struct Reader {
  std::string command;
  bool config = true, tokenizers = true, weights = true;
  bool believes_config = true;  // train has its own from the flags
};
std::vector<Reader> readers(const std::string& form) {
  return {
      {"translate --model bad < test.en"},
      {"score --model bad --source test.en --target test.vi"},
      {"diff --model bad --model bad < test.en"},
      {.command = "describe --model bad", .tokenizers = false, .weights = false, .believes_config = false},
      // Its run has finished: it only loads the model.
      {.command = TrainingPlace::command("bad", form + "--max-update 2"), .believes_config = false},
  };
}

struct Form {
  const char* directory;
  const char* tokenizer_file;
  std::string flags;
};
const Form words{"words", "source.words", "--tokenizer words --joint-vocabulary=false "};
const Form pieces{"pieces", "joint.spm", "--tokenizer unigram --vocab-size 100 "};

struct Damage {
  const char* name;
  const char* says;  // besides the name of the file or directory
  std::function<std::string(const std::string& content)> of;
};

std::string with_length(const std::string& file, uint64_t length) {
  std::string changed = file;
  std::memcpy(changed.data(), &length, 8);
  return changed;
}
// A safetensors file with another header.
std::string with_header(const std::string& file, const std::string& header) {
  uint64_t old = 0;
  std::memcpy(&old, file.data(), 8);
  return with_length(std::string(8, '\0') + header + file.substr(8 + old), header.size());
}
std::string header_of(const std::string& file) {
  uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  return file.substr(8, length);
}
std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what << " is not there to be damaged";
  return at == std::string::npos ? text : text.replace(at, what.size(), by);
}
Damage header(const char* name, const char* says, const std::string& text) {
  return {name, says, [text](const std::string& file) { return with_header(file, text); }};
}
Damage json(const char* name, const char* says, const std::string& what, const std::string& by) {
  return {name, says, [what, by](const std::string& content) { return replaced(content, what, by); }};
}
// The same file with other tensors, sound in itself.
Damage tensors(const char* name, const char* says, const std::function<void(std::map<std::string, Tensor>&)>& change) {
  return {name, says, [change](const std::string& file) {
            auto all = read_safetensors_bytes(file, "the sound file");
            change(all);
            const std::string path = (fs::temp_directory_path() / ("attune-bad-" + std::to_string(getpid()))).string();
            write_safetensors(path, std::vector<std::pair<std::string, Tensor>>(all.begin(), all.end()));
            std::ifstream stream(path, std::ios::binary);
            std::string content{std::istreambuf_iterator<char>(stream), {}};
            fs::remove(path);
            return content;
          }};
}

const char* const one = "encoder.layers.0.feed_forward.first.bias";  // [32]

std::vector<Damage> weight_damages() {
  const auto at = [](uint64_t length) {
    return [length](const std::string& file) { return with_length(file, length); };
  };
  const auto cut = [](size_t bytes) { return [bytes](const std::string& file) { return file.substr(0, bytes); }; };
  return {
      {"empty", "0 bytes", cut(0)},
      {"cut in the length", "4 bytes", cut(4)},
      {"cut in the header", "header", cut(100)},
      {"cut in the elements", "truncated", [](const std::string& file) { return file.substr(0, file.size() - 1); }},
      {"trailing bytes", "trailing", [](const std::string& file) { return file + std::string(8, '\0'); }},
      {"header length 0", "header of 0 bytes", at(0)},
      {"header length 2^31", "header of 2147483648 bytes", at(uint64_t{1} << 31)},
      {"header length 2^63", "header of 9223372036854775808 bytes", at(uint64_t{1} << 63)},
      {"header length 2^64-1", "header of 18446744073709551615 bytes", at(~uint64_t{0})},
      {"header length beyond the header", "not valid JSON", at(8 * 1000)},
      header("no JSON", "not valid JSON", "{\"a\":"),
      header("not UTF-8", "not valid JSON", "{\"\xff\":1}"),
      header("a list", "does not start with '{'", "[]"),
      header("a number for a tensor", "expected {dtype, shape, data_offsets}", "{\"a\":1}"),
      header("nested", "nested", "{\"a\":" + std::string(10000, '[') + std::string(10000, ']') + "}"),
      header("a vast shape", "more elements",
             R"({"a":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,8]}})"),
      header("a shape of a terabyte", "data_offsets say",
             R"({"a":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,8]}})"),
      header("a terabyte with offsets", "truncated",
             R"({"a":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}})"),
      header("a negative offset", "whole numbers", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}})"),
      {"duplicated tensor", "occurs twice",
       [](const std::string& file) {
         const std::string old = header_of(file);
         const size_t begin = old.find("\"decoder"), end = old.find("},", begin) + 2;
         return with_header(file, old.substr(0, end) + old.substr(begin));
       }},
      tensors("missing tensor", "missing: encoder.layers.0.feed_forward.first.bias [32]",
              [](auto& all) { all.erase(one); }),
      tensors("extra tensor", "unexpected: surplus [3]", [](auto& all) { all["surplus"] = Tensor::full({3}, 0); }),
      tensors("misshapen tensor", "misshapen: encoder.layers.0.feed_forward.first.bias is [31], expected [32]",
              [](auto& all) { all[one] = Tensor::full({31}, 0); }),
      tensors("wrong type", "of the wrong type: encoder.layers.0.feed_forward.first.bias is int32",
              [](auto& all) { all[one] = all[one].to(DType::int32); }),
      tensors("NaN", "not finite",
              [](auto& all) { all[one] = Tensor::full({32}, std::numeric_limits<double>::quiet_NaN()); }),
      tensors("infinite", "not finite",
              [](auto& all) { all[one] = Tensor::full({32}, -std::numeric_limits<double>::infinity()); }),
  };
}

std::vector<Damage> config_damages() {
  return {
      {"empty", "not valid JSON", [](const std::string&) { return std::string(); }},
      {"cut", "not valid JSON", [](const std::string& text) { return text.substr(0, text.size() / 2); }},
      {"a list", "expected a JSON object", [](const std::string&) { return std::string("[]"); }},
      {"nested", "nested", [](const std::string&) { return std::string(100'000, '[') + std::string(100'000, ']'); }},
      {"two megabytes", "1048576 at most", [](const std::string& text) { return text + std::string(2 << 20, ' '); }},
      json("not UTF-8", "not valid JSON", "transformer", "\xff"),
      json("unknown key", "widht", "\"width\"", "\"widht\""),
      json("another version", "format-version", "\"format-version\": 5", "\"format-version\": 99"),
      json("text for a number", "width", "\"width\": 16", "\"width\": \"16\""),
      json("a fraction", "width", "\"width\": 16", "\"width\": 16.5"),
      json("negative", "width", "\"width\": 16", "\"width\": -16"),
      json("2^31", "width", "\"width\": 16", "\"width\": 2147483648"),
      json("1e400", "not valid JSON", "\"dropout\": 0.1", "\"dropout\": 1e400"),
      json("2^64", "width", "\"width\": 16", "\"width\": 18446744073709551616"),
      json("heads", "heads", "\"heads\": 2", "\"heads\": 3"),
      json("no word", "architecture", "transformer", "nonesuch"),
      json("no rate", "dropout", "\"dropout\": 0.1", "\"dropout\": 1.5"),
  };
}

// The config is sound, but not this model's: only who reads tokenizers and weights can tell.
std::vector<Damage> config_mismatches() {
  return {
      json("a wider model", "misshapen", "\"width\": 16", "\"width\": 1024"),
      json("more layers", "missing", "\"encoder-layers\": 1,", "\"encoder-layers\": 1024,"),
      json("a vast model", "misshapen", "\"feed-forward\": 32", "\"feed-forward\": 1048576"),
      json("another vocabulary", "tokenizer has", "\"source-vocabulary\": ", "\"source-vocabulary\": 1"),
      json("a joint vocabulary", "joint.words", "\"joint-vocabulary\": false", "\"joint-vocabulary\": true"),
  };
}

std::vector<Damage> tokenizer_damages() {
  return {
      {"empty", "", [](const std::string&) { return std::string(); }},
      {"cut", "", [](const std::string& content) { return content.substr(0, content.size() * 2 / 3); }},
      {"cut at the end", "", [](const std::string& content) { return content.substr(0, content.size() - 1); }},
      {"noise", "", [](const std::string& content) { return std::string(content.size(), '\xfe'); }},
      {"twice", "", [](const std::string& content) { return content + content; }},
  };
}

class BadModels : public InOnePlace<TrainingPlace> {
 protected:
  static void SetUpTestSuite() {
    InOnePlace::SetUpTestSuite();
    for (const Form* form : {&words, &pieces}) {
      trained.push_back(place->run(TrainingPlace::command(form->directory, form->flags + "--max-update 2")));
    }
  }
  static void TearDownTestSuite() {
    InOnePlace::TearDownTestSuite();
    trained.clear();
  }
  void SetUp() override {
    for (const Ran& ran : trained) {
      ASSERT_EQ(ran.code, 0) << ran.err;
    }
  }

  // Damages one file and runs the commands that read it, each with two gigabytes of addresses: many times what these
  // models need.
  static void expect_refused(const Form& form, const std::string& file, const std::vector<Damage>& damages,
                             bool Reader::*reads) {
    for (const Damage& damage : damages) {
      fs::remove_all(place->path("bad"));
      fs::copy(place->path(form.directory), place->path("bad"), fs::copy_options::recursive);
      place->write("bad/" + file, damage.of(place->read("bad/" + file)));
      const auto before = place->files_of("bad", true);
      const auto names = place->names_in("bad");
      for (const Reader& reader : readers(form.flags)) {
        if (!(reader.*reads)) {
          continue;
        }
        SCOPED_TRACE(std::string(file) + " " + damage.name + ", attune " + reader.command);
        const Ran ran = place->shell("ulimit -v 2000000; " ATTUNE_PROGRAM " " + reader.command);
        expect_one_error(ran, 1);
        EXPECT_NE(ran.err.find("error: bad"), std::string::npos) << ran.err;
        EXPECT_NE(ran.err.find(damage.says), std::string::npos) << "expected: " << damage.says << "\n" << ran.err;
        EXPECT_LT(ran.err.size(), 10'000U);
        EXPECT_EQ(place->files_of("bad", true), before);
        EXPECT_EQ(place->names_in("bad"), names);
      }
    }
  }

  inline static std::vector<Ran> trained;
};

TEST_F(BadModels, damaged_weights_are_refused) {
  expect_refused(words, "model.safetensors", weight_damages(), &Reader::weights);
}

TEST_F(BadModels, damaged_configs_are_refused) {
  expect_refused(words, "config.json", config_damages(), &Reader::config);
}

TEST_F(BadModels, configs_of_other_models_are_refused) {
  expect_refused(words, "config.json", config_mismatches(), &Reader::believes_config);
}

TEST_F(BadModels, damaged_tokenizers_are_refused) {
  for (const Form* form : {&words, &pieces}) {
    expect_refused(*form, form->tokenizer_file, tokenizer_damages(), &Reader::tokenizers);
  }
}

TEST_F(BadModels, tokenizers_of_other_models_are_refused) {
  place->write("other.words", "<unk>\n<s>\n</s>\nword\n");
  const std::string other = place->read("other.words");
  expect_refused(words, words.tokenizer_file, {{"other", "pieces", [&](const std::string&) { return other; }}},
                 &Reader::tokenizers);
}

TEST_F(BadModels, missing_files_are_named) {
  for (const std::string& file :
       {std::string("config.json"), std::string(words.tokenizer_file), std::string("model.safetensors")}) {
    fs::remove_all(place->path("bad"));
    fs::copy(place->path(words.directory), place->path("bad"), fs::copy_options::recursive);
    fs::remove(place->path("bad/" + file));
    for (const Reader& reader : readers(words.flags)) {
      const bool made_anew = file == "model.safetensors" && reader.command.starts_with("train");  // from its checkpoint
      if (!made_anew && (file == "config.json" || reader.weights)) {
        SCOPED_TRACE(file + ", attune " + reader.command);
        const Ran ran = place->run(reader.command);
        expect_one_error(ran, 1);
        EXPECT_NE(ran.err.find("bad/" + file + ": "), std::string::npos) << ran.err;
      }
    }
  }
}

}  // namespace
}  // namespace attune
