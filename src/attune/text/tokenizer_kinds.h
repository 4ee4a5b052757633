// The makers of each kind of tokenizer; used by tokenizer.cpp alone.
#pragma once

#include "attune/text/tokenizer.h"

namespace attune::detail {

using Corpora = std::vector<std::span<const std::string>>;

inline constexpr std::string_view all_specials[] = {"<unk>", "<s>", "</s>", "[CLS]", "[SEP]", mask_text};
inline std::span<const std::string_view> specials_of(const TokenizerOptions& options) {
  return std::span(all_specials).first(options.mask_pieces ? first_ordinary_id : eos_id + 1);
}

std::unique_ptr<Tokenizer> train_sentencepiece(const Corpora& corpora, const TokenizerOptions& options);
std::unique_ptr<Tokenizer> load_sentencepiece(std::string_view bytes, const TokenizerOptions& options,
                                              const std::string& where);
std::unique_ptr<Tokenizer> train_words(const Corpora& corpora, const TokenizerOptions& options);
std::unique_ptr<Tokenizer> load_words(std::string_view bytes, const TokenizerOptions& options,
                                      const std::string& where);
// characters and bytes
std::unique_ptr<Tokenizer> train_characters(const Corpora& corpora, const TokenizerOptions& options);
std::unique_ptr<Tokenizer> load_characters(std::string_view bytes, const TokenizerOptions& options,
                                           const std::string& where);

}  // namespace attune::detail
