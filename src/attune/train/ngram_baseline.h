// What tables of n-grams tell of a text: the yardstick of small language models. With h the n - 1 pieces before x,
//   p(x | h) = (count(h x) + 0.1) / (count(h .) + 0.1 V)
// counted on the training text (additive smoothing, Lidstone 1920), V the pieces that occur in either text. Near the
// beginning, where fewer pieces stand before x, h is those there are. Of lines with prompts all pieces are counted, but
// only what is predicted has a say in the mean.
#pragma once

#include <vector>

#include "attune/data/text_stream.h"

namespace attune {

// -log p of the validation text per predicted piece, by the n-grams of 1, 2, ... most_order pieces.
std::vector<double> ngram_nlls(const TextStream& text, const TextStream& valid, int most_order);

}  // namespace attune
