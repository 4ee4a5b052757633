// What a masked language model puts in the place of [MASK]: the best pieces for each mask with their probabilities,
// each given that the others are masked too.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "attune/models/encoder_model.h"
#include "attune/text/tokenizer.h"

namespace attune {

struct MaskGuess {
  int piece = 0;
  std::string word;        // without the sign of a blank; "##ing" for a piece that goes on with a word
  double probability = 0;  // among all pieces, special ones included
};

struct FilledMask {
  int position = 0;                // among the text's pieces, from 0
  std::vector<MaskGuess> guesses;  // the best first; special pieces are left out
};

// <cls>, the text's pieces, <sep>: what the model reads.
std::vector<int32_t> masked_text_ids(const Tokenizer& tokenizer, const std::string& text);

// [ids, width]: the encoder's hidden states of such ids, all of one piece of text.
Tensor read_masked_text(const MaskedLanguageModel& model, std::span<const int32_t> ids, const Pass& pass);

// One for each [MASK] of ids, in order. hidden: what the encoder made of them.
std::vector<FilledMask> fill_masks(const MaskedLanguageModel& model, const Tokenizer& tokenizer,
                                   std::span<const int32_t> ids, const Tensor& hidden, int top_k);
// The same of a text.
std::vector<FilledMask> fill_masks(const MaskedLanguageModel& model, const Tokenizer& tokenizer,
                                   const std::string& text, int top_k);

}  // namespace attune
