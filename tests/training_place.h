// A directory with a small parallel corpus, and the forms of training that the tests go over. A new architecture,
// optimizer or the like joins by a row in training_forms(); an architecture without one fails.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "attune/data/grammar.h"
#include "program.h"

namespace attune::testing {

struct TrainingForm {
  const char* name;
  const char* flags;
  friend std::ostream& operator<<(std::ostream& stream, const TrainingForm& form) { return stream << form.name; }
};

inline std::vector<TrainingForm> training_forms() {
  return {
      {"words", "--tokenizer words --joint-vocabulary=false"},
      {"unigram_average_best", "--tokenizer unigram --vocab-size 100 --ema-decay 0.9 --keep-best --valid-freq 3"},
      {"bpe_sgd_mean_of_last",
       "--tokenizer bpe --vocab-size 90 --tied-embeddings all --optimizer sgd --nesterov --lr 0.1 --average-last 3"},
      {"bfloat16_gated_rms_norm", "--tokenizer words --compute-type bfloat16 --norm rms_norm --gated-feed-forward"},
      {"adamw_two_batches_an_update",
       "--tokenizer words --optimizer adamw --weight-decay 0.1 --update-freq 2 --word-dropout 0.2"},
      {"plateau_learned_positions",
       "--tokenizer words --lr-scheduler plateau --lr 0.05 --valid-freq 2 --positions learned --max-positions 300"},
      {"relative_positions_survival",
       "--tokenizer words --positions relative --encoder-layers 2 --survival 0.6 --update-freq 2"},
      {"rotary", "--tokenizer words --positions rotary --compute-type bfloat16"},
      {"convolutional",
       "--architecture convolutional --tokenizer words --encoder-layers 2 --decoder-layers 1 --channels 24,16 "
       "--max-positions 300"},
      {"convolution_mixers", "--tokenizer words --encoder-mixer convolution --decoder-mixer convolution"},
      {"bigbird_and_local", "--tokenizer words --encoder-mixer bigbird --block 4 --decoder-mixer local --window 6"},
      {"lsh_and_linear", "--tokenizer words --encoder-mixer lsh --lsh-chunk 4 --decoder-mixer linear"},
      {"linformer_and_performer",
       "--tokenizer words --encoder-mixer linformer --encoder-layers 2 --projection-sharing layers "
       "--projected-length 8 --decoder-mixer performer --max-positions 300 --compute-type bfloat16"},
      {"gmlp",
       "--tokenizer words --encoder-mixer spatial_gating --decoder-mixer spatial_gating --max-positions 300 "
       "--spatial-initialiser lecun_normal"},
      {"amlp_encoder_toeplitz_bfloat16",
       "--tokenizer words --encoder-mixer spatial_gating --tiny-attention 8 --spatial-toeplitz --spatial-heads 2 "
       "--max-positions 300 --compute-type bfloat16"},
      {"saved_at_epochs", "--tokenizer words --save-freq 0 --valid-freq 0 --norm-position post"},
      {"rnn", "--tokenizer words --architecture rnn"},
      {"gru", "--tokenizer words --architecture gru"},
      {"lstm", "--tokenizer words --architecture lstm"},
      {"bahdanau", "--tokenizer words --architecture bahdanau --paper-initialisation"},
      {"luong", "--tokenizer words --architecture luong --attention-window local-p --window-reach 3"},
      {"masked_language_model", "--task masked_language_model --tokenizer words --update-freq 2"},
      {"masked_language_model_of_bert",
       "--task masked_language_model --vocab-size 100 --norm-position post --embedding-norm --prediction-transform "
       "--next-sentence --whole-word-masking --positions learned --max-positions 32"},
      {"language_model", "--task language_model --tokenizer characters --update-freq 2"},
      {"reversible_bfloat16",
       "--tokenizer words --reversible --compute-type bfloat16 --encoder-layers 2 --decoder-layers 2 --survival 0.8 "
       "--update-freq 2"},
      {"language_model_reversible_in_chunks",
       "--task language_model --tokenizer characters --decoder-layers 2 --reversible --feed-forward-chunk 48 "
       "--decoder-mixer convolution"},
      {"language_model_of_gru_untied",
       "--task language_model --vocab-size 100 --decoder-mixer gru --tied-embeddings none --compute-type bfloat16 "
       "--keep-best --valid-freq 3"},
      {"language_model_of_completions",
       "--task language_model --completions --tokenizer words --sequence-length 64 --update-freq 2"},
      {"classification", "--task classification --tokenizer words --pooling last --ema-decay 0.9"},
      {"classification_by_one_logit",
       "--task classification --vocab-size 100 --pooling first --binary-head --update-freq 2 --keep-best"},
      {"tagging", "--task tagging --vocab-size 100 --valid-freq 3"},
      {"image_classification", "--task image_classification --patch-size 2 --shift 1"},
  };
}

inline std::string name_of(const ::testing::TestParamInfo<TrainingForm>& row) {
  return row.param.name;
}

class TrainingPlace : public Workplace {
 public:
  TrainingPlace() {
    const GeneratedCorpus corpus = make_grammar_corpus({.train = 200, .valid = 20, .test = 20, .seed = 3});
    write_pairs("train", corpus.train);
    write_pairs("valid", corpus.valid);
    write_pairs("test", corpus.test);
    write_text("train", corpus.train);
    write_text("valid", corpus.valid);
    write_labels("train", corpus.train);
    write_labels("valid", corpus.valid);
    write_images("train", 200);
    write_images("valid", 20);
  }

  // Nine batches an epoch. What stands in `more` wins; a Transformer for translation unless it names an architecture or
  // a task.
  static std::string command(const std::string& directory, const std::string& more) {
    const std::string sizes = "--heads 2 --feed-forward 32 " + own_sizes(task_of(more));
    return "train " + data_of(more) + "--width 16 " + (architecture_of(more) == "transformer" ? sizes : "") +
           "--batch-tokens 300 --warmup-updates 4 --lr 0.01 --log-freq 2 --save-freq 4 --valid-freq 6 --threads 1 "
           "--model " +
           directory + " " + more;
  }

  static std::string data_of(const std::string& flags) {
    if (flags.find("--completions") != std::string::npos) {
      return "--train train.tsv --valid valid.tsv ";
    }
    const std::string task = task_of(flags);
    const std::map<std::string, std::string> files{
        {"translation", "--train train.en train.vi --valid valid.en valid.vi "},
        {"masked_language_model", "--train train.txt --valid valid.txt "},
        {"language_model", "--train train.txt --valid valid.txt "},
        {"classification", "--train train.labelled --valid valid.labelled "},
        {"tagging", "--train train.tags --valid valid.tags "},
        {"image_classification", "--train train.images train.labels --valid valid.images valid.labels "}};
    const auto found = files.find(task);
    return found == files.end() ? files.at("translation") : found->second;
  }

  static std::string architecture_of(const std::string& flags) {
    return word_behind("--architecture ", flags, "transformer");
  }
  static std::string task_of(const std::string& flags) { return word_behind("--task ", flags, "translation"); }

  // training.jsonl without what the clock says.
  std::vector<std::string> log_of(const std::string& directory) const {
    std::vector<std::string> lines;
    for (const std::string& line : lines_of(read(directory + "/training.jsonl"))) {
      auto json = nlohmann::json::parse(line);
      json.erase("seconds");
      json.erase("tokens_per_second");
      lines.push_back(json.dump());
    }
    return lines;
  }

  // Updates of the checkpoints that are there, in order.
  std::vector<int> checkpoints(const std::string& directory) const {
    std::vector<int> updates;
    for (const std::string& name : names_in(directory + "/checkpoints")) {
      if (name.starts_with("step-") && name.find_first_not_of("0123456789", 5) == std::string::npos) {
        updates.push_back(std::stoi(name.substr(5)));
      }
    }
    std::sort(updates.begin(), updates.end());
    return updates;
  }

  std::vector<std::string> names_in(const std::string& directory) const {
    std::vector<std::string> names;
    std::error_code none;
    for (const auto& item : std::filesystem::directory_iterator(path(directory), none)) {
      names.push_back(item.path().filename().string());
    }
    return names;
  }

  // Path below the directory -> content, of everything that two equal runs share: times are in training.jsonl and
  // state.json, whose checksum is in the manifest.
  std::map<std::string, std::string> files_of(const std::string& directory, bool with_checkpoints) const {
    std::map<std::string, std::string> files;
    const std::filesystem::path top = path(directory);
    for (const auto& item : std::filesystem::recursive_directory_iterator(top)) {
      const std::string name = std::filesystem::relative(item.path(), top).string();
      const bool timed = name.ends_with("state.json") || name.ends_with("manifest.json") || name == "training.jsonl";
      if (item.is_regular_file() && !timed && (with_checkpoints || !name.starts_with("checkpoints"))) {
        files[name] = read(directory + "/" + name);
      }
    }
    return files;
  }

  enum class Compare { all, without_checkpoints };
  void expect_same_run(const std::string& one, const std::string& two, Compare what) const {
    EXPECT_EQ(log_of(one), log_of(two));
    const auto left = files_of(one, what == Compare::all), right = files_of(two, what == Compare::all);
    EXPECT_TRUE(left.count("model.safetensors") == 1 && left.count("config.json") == 1);
    for (const auto* side : {&left, &right}) {
      for (const auto& [name, content] : *side) {
        EXPECT_TRUE(left.count(name) == 1 && right.count(name) == 1) << name << " is in one of the two only";
      }
    }
    for (const auto& [name, content] : left) {
      EXPECT_TRUE(right.count(name) == 0 || right.at(name) == content) << name << " differs";
    }
  }

 private:
  static std::string word_behind(const std::string& flag, const std::string& flags, const std::string& otherwise) {
    const size_t at = flags.find(flag);
    const size_t word = at + flag.size();
    return at == std::string::npos ? otherwise : flags.substr(word, flags.find(' ', word) - word);
  }

  static std::string own_sizes(const std::string& task) {
    return task == "translation"             ? "--encoder-layers 1 --decoder-layers 1 "
           : task == "masked_language_model" ? "--encoder-layers 1 --sequence-length 32 "
           : task == "language_model"        ? "--decoder-layers 1 --sequence-length 32 "
                                             : "--encoder-layers 1 ";
  }

  // Sentences that are long or short, and their words that are long, with those that follow them.
  void write_labels(const std::string& name, const std::vector<GeneratedPair>& pairs) const {
    std::string labelled, tagged;
    for (const GeneratedPair& pair : pairs) {
      std::istringstream words(pair.source);
      std::string word;
      int count = 0;
      bool within = false;
      for (; words >> word; ++count) {
        const bool is_long = word.size() > 3;
        tagged += word + (is_long ? within ? "\tI-LONG\n" : "\tB-LONG\n" : "\tO\n");
        within = is_long;
      }
      tagged += "\n";
      labelled += pair.source + (count > 6 ? "\tlong\n" : "\tshort\n");
    }
    write(name + ".labelled", labelled);
    write(name + ".tags", tagged);
  }

  // 6 x 6 pixels, of which two rows are bright; the label says which.
  void write_images(const std::string& name, int count) const {
    std::string images, labels;
    for (int i = 0; i < count; ++i) {
      labels += static_cast<char>(i % 3);
      for (int pixel = 0; pixel < 36; ++pixel) {
        images += static_cast<char>((pixel / 12 == i % 3 ? 150 : 20) + (i * 7 + pixel * 5) % 23);
      }
    }
    write(name + ".images", idx_file({count, 6, 6}, images));
    write(name + ".labels", idx_file({count}, labels));
  }

  // Documents of four lines, in English.
  void write_text(const std::string& name, const std::vector<GeneratedPair>& pairs) const {
    std::string text;
    for (size_t i = 0; i < pairs.size(); ++i) {
      text += pairs[i].source + (i % 4 == 3 ? "\n\n" : "\n");
    }
    write(name + ".txt", text);
  }

  void write_pairs(const std::string& name, const std::vector<GeneratedPair>& pairs) const {
    std::string source, target, both;
    for (const GeneratedPair& pair : pairs) {
      source += pair.source + "\n";
      target += pair.target + "\n";
      both += pair.source + "\t" + pair.target + "\n";
    }
    write(name + ".en", source);
    write(name + ".vi", target);
    write(name + ".tsv", both);
  }
};

// The one message of a failed call.
inline void expect_one_error(const Ran& ran, int code) {
  EXPECT_EQ(ran.code, code) << ran.err;
  EXPECT_EQ(ran.out, "");
  const auto lines = lines_of(ran.err);
  EXPECT_EQ(std::count_if(lines.begin(), lines.end(), [](const auto& line) { return line.starts_with("error: "); }), 1)
      << ran.err;
}

// A run of 14 updates with checkpoints at 12 and 14, which each test finds anew as "run" and may spoil and resume, and
// the same training of 24 updates in one go as "whole".
class HalfTrained : public InOnePlace<TrainingPlace> {
 protected:
  static void SetUpTestSuite() {
    InOnePlace::SetUpTestSuite();
    part = place->run(TrainingPlace::command("part", form + "--max-update 14"));
    whole = place->run(TrainingPlace::command("whole", form + "--max-update 24"));
  }
  void SetUp() override {
    ASSERT_EQ(part.code + whole.code, 0) << part.err << whole.err;
    start();
  }
  static void start() {
    std::filesystem::remove_all(place->path("run"));
    std::filesystem::copy(place->path("part"), place->path("run"), std::filesystem::copy_options::recursive);
  }

  inline static const std::string form = "--tokenizer words --joint-vocabulary=false --ema-decay 0.9 ";
  inline static Ran part, whole;
};

}  // namespace attune::testing
