// Writes the seeds that no editor can: binary headers, gzip streams, SentencePiece models.
//   fuzz_seeds fuzz/seeds
// The models are trained on a few words without the usual normalisation, whose table alone has 240 kB; one has a table
// of two rules.
#include <sentencepiece_trainer.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <unordered_map>
#include <vector>

#include "attune/tensor/safetensors.h"

namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

void safetensors_seeds(const fs::path& directory) {
  using attune::DType;
  using attune::Tensor;
  fs::create_directories(directory);
  const std::vector<std::pair<std::string, Tensor>> all = {{"w", Tensor::of<float>({2, 2}, {1, -2, 3, 0})},
                                                           {"d", Tensor::of<double>({1}, {0.5})},
                                                           {"s", Tensor::scalar(4)},
                                                           {"e", Tensor::zeros({0, 5})},
                                                           {"h", Tensor::full({3}, 1.5, DType::bfloat16)},
                                                           {"i", Tensor::of<int32_t>({2}, {-1, 7})},
                                                           {"b", Tensor::zeros({3}, DType::boolean)}};
  attune::write_safetensors((directory / "all_types").string(), all, {{"format", "pt"}});
  attune::write_safetensors((directory / "one").string(), std::span(all).first(1));
  attune::write_safetensors((directory / "none").string(), {});
  const std::string overflowing = R"({"a":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}})";
  write(directory / "empty_with_vast_strides",
        std::string{static_cast<char>(overflowing.size()), 0, 0, 0, 0, 0, 0, 0} + overflowing);
}

void gzip_seed(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  gzFile file = gzopen(path.c_str(), "wb9");
  gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
  gzclose(file);
}

class Words : public sentencepiece::SentenceIterator {
 public:
  bool done() const override { return line_ == lines_.size(); }
  void Next() override { ++line_; }
  const std::string& value() const override { return lines_[line_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::vector<std::string> lines_ = {"der hund und die katze", "die maus und der hund", "ein hund ein haus"};
  size_t line_ = 0;
};

void sentencepiece_seed(const fs::path& path, std::unordered_map<std::string, std::string> options) {
  options.insert({{"normalization_rule_name", "identity"},
                  {"vocab_size", "28"},
                  {"hard_vocab_limit", "false"},
                  {"num_threads", "1"},
                  {"minloglevel", "3"}});
  Words words;
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(options, &words, &model);
  if (!status.ok()) {
    std::cerr << path << ": " << status.ToString() << "\n";
    std::exit(1);
  }
  write(path, model);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: fuzz_seeds DIRECTORY\n";
    return 2;
  }
  const fs::path seeds = arguments[1];
  safetensors_seeds(seeds / "safetensors");
  gzip_seed(seeds / "corpus" / "text.gz", "Ein Hund\n\nläuft\r\n");
  gzip_seed(seeds / "corpus" / "pairs.gz", "Hund\tdog\nKatze\tcat\n");
  write(seeds / "corpus" / "nul", std::string("a\0b\n", 4));
  write(seeds / "corpus" / "byte_order_mark", "\xEF\xBB\xBFHund\r\n");
  write(seeds / "corpus" / "latin1", "gro\xDF\n");
  const fs::path rules = fs::temp_directory_path() / "attune_fuzz_rules.tsv";
  write(rules, "FF41\t61\n61 308\tE4\n");
  for (const std::string type : {"unigram", "bpe", "char", "word"}) {
    sentencepiece_seed(seeds / "sentencepiece" / type, {{"model_type", type}});
  }
  sentencepiece_seed(seeds / "sentencepiece" / "bytes", {{"model_type", "bpe"},
                                                         {"byte_fallback", "true"},
                                                         {"vocab_size", "290"},
                                                         {"user_defined_symbols", "<x>,<y>"},
                                                         {"control_symbols", "<c>"}});
  sentencepiece_seed(seeds / "sentencepiece" / "rules",
                     {{"model_type", "unigram"}, {"normalization_rule_tsv", rules.string()}});
  fs::remove(rules);
}
