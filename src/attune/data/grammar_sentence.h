// A sentence of the English-Vietnamese grammar (grammar.h) put together from phrases: statement, question or
// comparison.
#pragma once

#include "attune/base/rng.h"
#include "attune/data/generated.h"

namespace attune::grammar {

// In both languages, with its alignment; a function of the generator.
GeneratedPair make_sentence(const Rng& rng);

}  // namespace attune::grammar
