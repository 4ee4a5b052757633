// Sentence pairs to examples of piece ids.
#pragma once

#include <vector>

#include "attune/data/batches.h"
#include "attune/data/corpus.h"
#include "attune/text/tokenizer.h"

namespace attune {

// Pair i becomes example i; parallel over the pairs.
std::vector<Example> encode(const ParallelCorpus& corpus, const Tokenizer& source, const Tokenizer& target);

}  // namespace attune
