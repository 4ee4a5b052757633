// The tokenizations under which BLEU scores are published, on raw UTF-8 text.
#pragma once

#include <string>
#include <string_view>

namespace attune {

enum class Tokenization {
  none,        // white space only: for text that is tokenised already
  mteval_13a,  // mteval-v13a.pl's, sacreBLEU's default
};

// As the word of sacreBLEU's signature: "none", "13a".
std::string_view name(Tokenization tokenization);
Tokenization tokenization_from_name(std::string_view name);

// One line with the tokens apart; runs of white space are left for split_whitespace.
std::string tokenize(std::string_view line, Tokenization tokenization);

}  // namespace attune
