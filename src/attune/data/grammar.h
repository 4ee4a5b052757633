// A small English-Vietnamese grammar that writes a parallel corpus with its gold word alignment, for demos and tests.
// A model must carry information between words to translate it: adjectives, demonstratives and possessors stand after
// the noun; the noun chooses its classifier and the sense of its verb (wear: mặc, đội, đi, đeo, quàng, thắt) and of its
// adjectives; tense becomes a particle; a pronoun is chosen by a subject many words earlier; time moves to the front,
// some verbs are split around their object, and subordinate clauses change places.
// The target is a function of the source: the same sentence never has two references. Words are separated by spaces.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "attune/data/generated.h"

namespace attune {

struct GrammarOptions {
  int train = 20000;
  int valid = 500;
  int test = 1000;
  uint64_t seed = 1;
};

// One sentence. The same (seed, index) gives the same sentence; different indices may repeat one.
GeneratedPair make_grammar_pair(uint64_t seed, uint64_t index);

// No source sentence occurs twice, in one part or across them. The test part depends on the seed and its own size only.
GeneratedCorpus make_grammar_corpus(const GrammarOptions& options = {});

// The baseline that knows every word and no context: each source word's most frequent translation, which may be several
// words or empty.
std::map<std::string, std::string> grammar_dictionary(const std::vector<GeneratedPair>& pairs);
std::string translate_word_by_word(std::string_view source, const std::map<std::string, std::string>& dictionary);

}  // namespace attune
