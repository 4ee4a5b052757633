// Text to piece ids and back. Three kinds behind one class: SentencePiece (unigram or BPE; Kudo and Richardson 2018),
// trained and applied inside the program; `words`, plain whitespace words for corpora that are tokenised already; and
// `characters` and `bytes`, which lose nothing of a text, blanks and line ends included.
// All kinds share the special ids below. There is no padding id: batches are packed, and a padding id that is also a
// real piece ("." is often id 3) is a classic way to lose tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

inline constexpr int unk_id = 0;  // <unk>
inline constexpr int bos_id = 1;  // <s>
inline constexpr int eos_id = 2;  // </s>
// Of vocabularies for encoder-only models (TokenizerOptions::mask_pieces).
inline constexpr int cls_id = 3;   // [CLS]
inline constexpr int sep_id = 4;   // [SEP]
inline constexpr int mask_id = 5;  // [MASK]
inline constexpr int first_ordinary_id = 6;
inline constexpr std::string_view mask_text = "[MASK]";

enum class TokenizerKind : uint8_t { unigram, bpe, words, characters, bytes };

// "unigram", "bpe", "words", "characters", "bytes"; anything else throws and names these.
TokenizerKind tokenizer_kind(std::string_view name);
std::string_view name_of(TokenizerKind kind);
// ".spm", ".words", ".characters" or ".bytes": the ending of the tokenizer's own file in a model directory.
std::string_view file_ending(TokenizerKind kind);

struct TokenizerOptions {
  TokenizerKind kind = TokenizerKind::unigram;
  int vocab_size = 8000;   // special ids included; SentencePiece: exactly, words and characters: at most
  bool lowercase = false;  // before training and encoding. Not in the file: give it again to load()
  // [CLS], [SEP] and [MASK] follow the special ids. Of the three a text can have [MASK] alone: written so, it is
  // mask_id, whatever stands around it.
  bool mask_pieces = false;
  double character_coverage = 1.0;  // SentencePiece: share of the characters that get a piece; the rest is <unk>
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  // Equal lines and options give equal bytes. Several corpora together give a joint vocabulary.
  static std::unique_ptr<Tokenizer> train(std::span<const std::string> lines, const TokenizerOptions& options);
  static std::unique_ptr<Tokenizer> train(const std::vector<std::span<const std::string>>& corpora,
                                          const TokenizerOptions& options);

  // Reads what save() wrote, or a SentencePiece model made elsewhere whose special ids are 0, 1, 2. Of the options it
  // takes kind (unigram and bpe mean the same here), lowercase and mask_pieces, which the file must have.
  static std::unique_ptr<Tokenizer> load(const std::string& path, const TokenizerOptions& options);
  static std::unique_ptr<Tokenizer> from_bytes(std::string_view bytes, const TokenizerOptions& options,
                                               const std::string& where = "tokenizer");
  void save(const std::string& path) const;
  virtual std::string bytes() const = 0;

  // Ids without <s> and </s>; text that looks like a special piece never becomes bos_id or eos_id. The text must be
  // UTF-8. Safe to call from several threads at once.
  virtual std::vector<int> encode(std::string_view text) const = 0;

  // Plain text; <s> and </s> are skipped, an unknown piece stays visible (words: <unk>, others: U+2047).
  virtual std::string decode(std::span<const int> ids) const = 0;

  virtual int vocab_size() const = 0;
  // The piece between two lines of a text: </s>, except where line ends have a piece of their own.
  virtual int line_end() const { return eos_id; }
  virtual const std::string& piece(int id) const = 0;

  // For each piece the index of the whitespace word of decode(ids) it belongs to; -1 for <s>, </s> and trailing blanks.
  virtual std::vector<int> word_of_piece(std::span<const int> ids) const = 0;

 protected:
  Tokenizer() = default;
  void check_ids(std::span<const int> ids) const;
  static void check_utf8(std::string_view text);
  // Lower-cased, [MASK] excepted where the vocabulary has it.
  static std::string lowercase_text(std::string_view text, bool mask_pieces);
};

}  // namespace attune
