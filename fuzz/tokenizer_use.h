// What a program does with a tokenizer that loaded: nothing of it may fail on good text and its own ids.
#pragma once

#include "attune/text/tokenizer.h"
#include "target.h"

namespace attune::fuzz {

inline void use(const Tokenizer& tokenizer) {
  for (const std::string_view text :
       {"Ein großer Hund läuft.", "", " a  b\t", "\xE2\x96\x81<s>漢字</s>\xEF\xBF\xBD<unk>",
        "\xEF\xBD\x81\xCC\x88\xF0\x9F\x98\x80\x01"}) {
    std::vector<int> ids;
    if (!accepts([&] { ids = tokenizer.encode(text); })) {
      continue;  // a model may be unable to cut a text, and says so
    }
    for (const int id : ids) {
      must(id >= 0 && id < tokenizer.vocab_size(), "ids lie in the vocabulary");
    }
    accepts([&] { tokenizer.decode(ids); });
    must(tokenizer.word_of_piece(ids).size() == ids.size(), "each piece has a word");
  }
  for (int id = 0; id < tokenizer.vocab_size(); ++id) {
    tokenizer.piece(id);
  }
}

}  // namespace attune::fuzz
