// Labelled text as examples of piece ids, ready for batches.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "attune/data/batches.h"
#include "attune/data/labelled_text.h"
#include "attune/text/tokenizer.h"

namespace attune {

// Sources alone. With first_token, for models that classify by the first token, each begins with <s>.
struct TextOptions {
  bool first_token = false;
};
std::vector<Example> encode_texts(std::span<const std::string> texts, const Tokenizer& tokenizer,
                                  const TextOptions& options = {});

// Sentences of words, each word encoded by itself: a word that has no piece at all is <unk>.
struct WordExamples {
  std::vector<Example> examples;                   // sources alone
  std::vector<std::vector<int32_t>> first_pieces;  // of every word, in the sentence's source
};
WordExamples encode_words(std::span<const std::vector<std::string>> sentences, const Tokenizer& tokenizer);

// For Batcher and batches_by_length: examples without targets.
BatchOptions without_targets(BatchOptions options);

}  // namespace attune
