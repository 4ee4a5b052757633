// The makers of each kind of tokenizer; used by tokenizer.cpp alone.
#pragma once

#include "attune/text/tokenizer.h"

namespace attune::detail {

using Corpora = std::vector<std::span<const std::string>>;

std::unique_ptr<Tokenizer> train_sentencepiece(const Corpora& corpora, const TokenizerOptions& options);
std::unique_ptr<Tokenizer> load_sentencepiece(std::string_view bytes, const TokenizerOptions& options,
                                              const std::string& where);
std::unique_ptr<Tokenizer> train_words(const Corpora& corpora, const TokenizerOptions& options);
std::unique_ptr<Tokenizer> load_words(std::string_view bytes, const TokenizerOptions& options,
                                      const std::string& where);

}  // namespace attune::detail
