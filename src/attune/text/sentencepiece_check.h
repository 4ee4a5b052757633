// What SentencePiece takes on trust inside a model file: its own reader checks neither the offsets of the normaliser's
// table nor the text of the pieces, and a damaged or hostile model makes it read outside its memory.
#pragma once

#include <string>
#include <string_view>

namespace attune::detail {

// `model`: the serialised ModelProto, without a seal. Throws Error when a piece is not UTF-8 text, a score is not
// finite, or a normaliser's table points outside itself. What SentencePiece checks by itself is left to it.
void check_sentencepiece_model(std::string_view model, const std::string& where);

}  // namespace attune::detail
