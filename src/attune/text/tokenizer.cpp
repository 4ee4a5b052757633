// What all tokenizers share: names, files, and the choice of the kind.
#include "attune/text/tokenizer.h"

#include <array>
#include <filesystem>

#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/base/profile.h"
#include "attune/tensor/atomic_file.h"
#include "attune/text/tokenizer_kinds.h"
#include "attune/text/unicode.h"

namespace attune {

TokenizerKind tokenizer_kind(std::string_view name) {
  static constexpr std::array kinds{TokenizerKind::unigram, TokenizerKind::bpe, TokenizerKind::words,
                                    TokenizerKind::characters, TokenizerKind::bytes};
  return entry_of_word("tokenizer", name, kinds, [](TokenizerKind kind) { return name_of(kind); });
}

std::string_view name_of(TokenizerKind kind) {
  switch (kind) {
    case TokenizerKind::unigram:
      return "unigram";
    case TokenizerKind::bpe:
      return "bpe";
    case TokenizerKind::words:
      return "words";
    case TokenizerKind::characters:
      return "characters";
    case TokenizerKind::bytes:
      return "bytes";
  }
  return "";
}

std::string_view file_ending(TokenizerKind kind) {
  switch (kind) {
    case TokenizerKind::words:
      return ".words";
    case TokenizerKind::characters:
      return ".characters";
    case TokenizerKind::bytes:
      return ".bytes";
    default:
      return ".spm";
  }
}

std::unique_ptr<Tokenizer> Tokenizer::train(std::span<const std::string> lines, const TokenizerOptions& options) {
  return train(std::vector{lines}, options);
}

std::unique_ptr<Tokenizer> Tokenizer::train(const std::vector<std::span<const std::string>>& corpora,
                                            const TokenizerOptions& options) {
  const ProfileScope scope("train_tokenizer");
  const int specials = options.mask_pieces ? first_ordinary_id : eos_id + 1;
  check(options.vocab_size > specials, "tokenizer: the vocabulary size must be at least ", specials + 1, " (",
        options.mask_pieces ? "six" : "three", " special pieces and one of the text), got ", options.vocab_size);
  check(options.character_coverage > 0.9 && options.character_coverage <= 1.0,
        "tokenizer: the character coverage must be above 0.9 and at most 1, got ", options.character_coverage);
  if (options.kind == TokenizerKind::characters || options.kind == TokenizerKind::bytes) {
    return detail::train_characters(corpora, options);
  }
  return options.kind == TokenizerKind::words ? detail::train_words(corpora, options)
                                              : detail::train_sentencepiece(corpora, options);
}

std::unique_ptr<Tokenizer> Tokenizer::from_bytes(std::string_view bytes, const TokenizerOptions& options,
                                                 const std::string& where) {
  const auto load = options.kind == TokenizerKind::words ? detail::load_words
                    : options.kind == TokenizerKind::characters || options.kind == TokenizerKind::bytes
                        ? detail::load_characters
                        : detail::load_sentencepiece;
  auto tokenizer = load(bytes, options, where);
  if (options.mask_pieces) {
    check(tokenizer->vocab_size() > first_ordinary_id && tokenizer->piece(cls_id) == "[CLS]" &&
              tokenizer->piece(sep_id) == "[SEP]" && tokenizer->piece(mask_id) == mask_text,
          where, ": expected [CLS], [SEP] and [MASK] behind the special pieces, as a tokenizer for masked language ",
          "models has them");
  }
  return tokenizer;
}

std::unique_ptr<Tokenizer> Tokenizer::load(const std::string& path, const TokenizerOptions& options) {
  check(!std::filesystem::is_directory(path), path, ": expected a tokenizer file, got a directory");
  return from_bytes(read_file(path), options, path);
}

void Tokenizer::save(const std::string& path) const {
  write_file_atomically(path, bytes());
}

void Tokenizer::check_ids(std::span<const int> ids) const {
  for (int id : ids) {
    check(id >= 0 && id < vocab_size(), "tokenizer: piece id ", id, " is outside the vocabulary of ", vocab_size(),
          " pieces; does this tokenizer belong to the model?");
  }
}

void Tokenizer::check_utf8(std::string_view text) {
  size_t bad = 0;
  const bool valid = valid_utf8(text, &bad);  // before the message below reads `bad`
  check(valid, "tokenizer: the text is not UTF-8 at byte ", bad + 1, "; convert it first (iconv)");
}

std::string Tokenizer::lowercase_text(std::string_view text, bool mask_pieces) {
  std::string lowered;
  for (size_t at = mask_pieces ? text.find(mask_text) : text.npos; at != text.npos; at = text.find(mask_text)) {
    lowered += lowercase(text.substr(0, at)) + std::string(mask_text);
    text.remove_prefix(at + mask_text.size());
  }
  return lowered + lowercase(text);
}

}  // namespace attune
