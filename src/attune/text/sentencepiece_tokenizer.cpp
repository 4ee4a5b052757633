// SentencePiece (Kudo and Richardson 2018; unigram: Kudo 2018, BPE: Sennrich et al. 2016) as a Tokenizer.
// The file is an ordinary SentencePiece model with one more field in front: size and CRC-32 of the rest, under a field
// number that other readers skip. SentencePiece trusts the tables inside a model, so damage must be caught before it
// sees them. A model made elsewhere has no such field; what can be told from it alone is checked
// (sentencepiece_check.h).
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <unordered_map>

#include "attune/base/check.h"
#include "attune/base/checksum.h"
#include "attune/text/sentencepiece_check.h"
#include "attune/text/tokenizer_kinds.h"
#include "attune/text/unicode.h"

namespace attune::detail {
namespace {

constexpr std::string_view blank = "\xE2\x96\x81";     // U+2581, SentencePiece's visible space
constexpr std::string_view boundary = "\xE2\x96\x85";  // U+2585: SentencePiece's trainer skips lines that have it
constexpr std::string_view unknown = "\xE2\x81\x87";   // U+2047; without blanks around, so that words stay whole
constexpr std::string_view seal_tag = "\x89\xE2\x09";  // protobuf key of field 20001, 64 bits (an extension number)
constexpr size_t seal_size = seal_tag.size() + 8;      // the key, size and CRC-32, both 32 bits little-endian

void append_u32(std::string& bytes, uint32_t value) {
  for (int shift = 0; shift < 32; shift += 8) {
    bytes.push_back(static_cast<char>((value >> shift) & 0xff));
  }
}

std::string seal(std::string_view model) {
  std::string bytes(seal_tag);
  append_u32(bytes, static_cast<uint32_t>(model.size()));
  Checksum checksum;
  checksum.add(model.data(), model.size());
  append_u32(bytes, checksum.value());
  return bytes;
}

// Where a part of a long line ends that begins at `begin`: behind the last blank that fits, else between two
// characters. The trainer takes words one by one, but ends the process when one has more than 65,535 characters, and
// needs a time that grows with the square of a repetitive line.
size_t end_of_part(const std::string& line, size_t begin) {
  constexpr size_t longest = 512;  // bytes
  if (line.size() - begin <= longest) {
    return line.size();
  }
  const size_t blank_at = line.rfind(' ', begin + longest - 1);
  if (blank_at != std::string::npos && blank_at > begin) {
    return blank_at + 1;
  }
  size_t end = begin + longest;
  while ((static_cast<unsigned char>(line[end]) & 0xC0U) == 0x80U) {  // inside a character; the text is UTF-8
    --end;
  }
  return end;
}

class Lines : public sentencepiece::SentenceIterator {
 public:
  Lines(const Corpora& corpora, bool lower) : corpora_(corpora), lower_(lower) { settle(); }

  bool done() const override { return corpus_ == corpora_.size(); }
  const std::string& value() const override { return part_; }
  sentencepiece::util::Status status() const override { return {}; }
  void Next() override {
    begin_ = end_;
    if (begin_ == corpora_[corpus_][line_].size()) {
      begin_ = 0;
      ++line_;
    }
    settle();
  }

 private:
  void settle() {
    while (!done() && line_ == corpora_[corpus_].size()) {
      ++corpus_;
      line_ = 0;
    }
    if (!done()) {
      const std::string& line = corpora_[corpus_][line_];
      end_ = end_of_part(line, begin_);
      part_.assign(line, begin_, end_ - begin_);
      if (lower_) {
        part_ = lowercase(part_);
      }
    }
  }

  const Corpora& corpora_;
  bool lower_;
  size_t corpus_ = 0, line_ = 0, begin_ = 0, end_ = 0;  // the part is [begin_, end_) of the line
  std::string part_;
};

sentencepiece::util::Status run_trainer(const Corpora& corpora, const TokenizerOptions& options, std::string* model) {
  Lines lines(corpora, options.lowercase);
  std::unordered_map<std::string, std::string> settings{
      {"model_type", std::string(name_of(options.kind))},
      {"vocab_size", std::to_string(options.vocab_size)},
      {"character_coverage", std::to_string(options.character_coverage)},
      {"unk_id", std::to_string(unk_id)},
      {"bos_id", std::to_string(bos_id)},
      {"eos_id", std::to_string(eos_id)},
      {"pad_id", "-1"},
      {"unk_surface", std::string(unknown)},
      {"max_sentence_length", "1073741824"},  // bytes; the default silently leaves out lines above 4,192
      // Unigram sums its expectations per thread, so the vocabulary depends on the count: it is a constant, not
      // the machine's. Four use a desktop's cores, and cost nothing where there are fewer.
      {"num_threads", "4"},
      {"minloglevel", "3"},  // silent: failures come back as a status
  };
  if (options.mask_pieces) {  // these take the ids behind the special ones, in this order
    settings["control_symbols"] = "[CLS],[SEP]";
    settings["user_defined_symbols"] = mask_text;
  }
  return sentencepiece::SentencePieceTrainer::Train(settings, &lines, model);
}

// The trainer ends the process when unigram meets text of nothing but blanks (or characters that NFKC removes). A
// visible ASCII character is proof of content; without one BPE, which returns an error instead, is asked: too few
// pieces for the characters there are, or too many for none.
void check_not_blank(const Corpora& corpora, TokenizerOptions options) {
  for (std::span<const std::string> lines : corpora) {
    for (const std::string& line : lines) {
      if (std::any_of(line.begin(), line.end(), [](char c) { return c > ' ' && c < '\x7f'; }) &&
          line.find(boundary) == std::string::npos) {
        return;
      }
    }
  }
  options.kind = TokenizerKind::bpe;
  options.mask_pieces = false;
  options.vocab_size = eos_id + 2;
  std::string ignored;
  const std::string message = run_trainer(corpora, options, &ignored).ToString();
  check(message.find("too high") == std::string::npos && message.find("sentences_.empty()") == std::string::npos,
        "tokenizer: the training text is empty or blank; give it lines with words");
}

// The whole number that follows `mark` in a message of the trainer, or -1.
int number_after(const std::string& message, std::string_view mark) {
  const size_t at = message.find(mark);
  if (at == std::string::npos) {
    return -1;
  }
  return std::atoi(message.c_str() + at + mark.size());
}

[[noreturn]] void fail_training(const std::string& message, const TokenizerOptions& options) {
  if (const int most = number_after(message, "set it to a value <= "); most >= 0) {
    fail("tokenizer: a ", name_of(options.kind), " vocabulary of ", options.vocab_size,
         " pieces is more than this text allows; set the vocabulary size to at most ", most, " or give more text");
  }
  if (const int least = number_after(message, " vs "); least >= 0) {
    fail("tokenizer: a vocabulary of ", options.vocab_size, " pieces has no room for the text's characters; set the ",
         "vocabulary size to at least ", least, ", or character coverage below 1");
  }
  fail("tokenizer: SentencePiece could not be trained: ", message);
}

class SentencePieceTokenizer : public Tokenizer {
 public:
  // `model`: without the seal.
  SentencePieceTokenizer(std::string_view model, const TokenizerOptions& options, const std::string& where)
      : model_(model), lower_(options.lowercase), masks_(options.mask_pieces) {
    check(!model.empty(), where, ": expected a SentencePiece model, got an empty file");
    check_sentencepiece_model(model, where);
    const auto status = load(where);
    check(status.ok(), where, ": not a SentencePiece model, or a damaged one; take the file from the model's training ",
          "again (", status.ToString(), ")");
    check(processor_.unk_id() == unk_id && processor_.bos_id() == bos_id && processor_.eos_id() == eos_id, where,
          ": expected the special ids <unk> 0, <s> 1, </s> 2, got ", processor_.unk_id(), ", ", processor_.bos_id(),
          ", ", processor_.eos_id(), "; train the SentencePiece model with its default ids");
  }

  std::string bytes() const override { return seal(model_) + model_; }

  std::vector<int> encode(std::string_view text) const override {
    check_utf8(text);
    std::vector<int> ids;
    const auto status = lower_ ? processor_.Encode(lowercase_text(text, masks_), &ids) : processor_.Encode(text, &ids);
    check(status.ok(), "tokenizer: SentencePiece could not encode the text: ", status.ToString());
    return masks_ ? without_blanks_before_masks(ids) : ids;
  }

  std::string decode(std::span<const int> ids) const override {
    check_ids(ids);
    std::vector<int> real;
    std::copy_if(ids.begin(), ids.end(), std::back_inserter(real), [](int id) { return id != bos_id && id != eos_id; });
    std::string text;
    const auto status = processor_.Decode(real, &text);
    check(status.ok(), "tokenizer: SentencePiece could not decode: ", status.ToString());
    return text;
  }

  int vocab_size() const override { return processor_.GetPieceSize(); }

  const std::string& piece(int id) const override {
    check_ids(std::span(&id, 1));
    return processor_.IdToPiece(id);
  }

  std::vector<int> word_of_piece(std::span<const int> ids) const override {
    check_ids(ids);
    std::vector<int> words(ids.size(), -1);
    int word = -1;
    bool starts = true;  // the next visible piece opens a word
    size_t waiting = 0;  // lone blanks before position i belong to the word that they open
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] == bos_id || ids[i] == eos_id) {
        continue;
      }
      const std::string& text = processor_.IdToPiece(ids[i]);
      const bool leading = text.starts_with(blank);
      starts = starts || leading;
      if (text == blank) {
        waiting = waiting == 0 ? i + 1 : waiting;
        continue;
      }
      word += starts ? 1 : 0;
      starts = false;
      for (size_t j = waiting == 0 ? i : waiting - 1; j <= i; ++j) {
        words[j] = ids[j] == bos_id || ids[j] == eos_id ? -1 : word;
      }
      waiting = 0;
    }
    return words;
  }

 private:
  // A blank before [MASK] belongs to the piece that is masked, as in "▁cat".
  std::vector<int> without_blanks_before_masks(const std::vector<int>& ids) const {
    std::vector<int> kept;
    for (const int id : ids) {
      if (id == mask_id && !kept.empty() && kept.back() != mask_id && processor_.IdToPiece(kept.back()) == blank) {
        kept.pop_back();
      }
      kept.push_back(id);
    }
    return kept;
  }

  // Its trie builder throws exceptions of its own.
  sentencepiece::util::Status load(const std::string& where) {
    try {
      return processor_.LoadFromSerializedProto(model_);
    } catch (const std::exception& error) {
      fail(where, ": not a SentencePiece model, or a damaged one (", error.what(), ")");
    }
  }

  std::string model_;
  bool lower_, masks_;
  sentencepiece::SentencePieceProcessor processor_;
};

}  // namespace

std::unique_ptr<Tokenizer> train_sentencepiece(const Corpora& corpora, const TokenizerOptions& options) {
  check_not_blank(corpora, options);
  std::string model;
  const auto status = run_trainer(corpora, options, &model);
  if (!status.ok()) {
    fail_training(status.ToString(), options);
  }
  return std::make_unique<SentencePieceTokenizer>(model, options, "tokenizer");
}

std::unique_ptr<Tokenizer> load_sentencepiece(std::string_view bytes, const TokenizerOptions& options,
                                              const std::string& where) {
  if (bytes.starts_with(seal_tag)) {
    const std::string_view model = bytes.substr(std::min(bytes.size(), seal_size));
    check(bytes.size() > seal_size && bytes.substr(0, seal_size) == seal(model), where,
          ": the SentencePiece model is cut short or damaged (its checksum does not fit); take it from the model's ",
          "training again");
    return std::make_unique<SentencePieceTokenizer>(model, options, where);
  }
  return std::make_unique<SentencePieceTokenizer>(bytes, options, where);
}

}  // namespace attune::detail
