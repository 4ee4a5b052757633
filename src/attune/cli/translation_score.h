// BLEU of a model's own translations, as validation, compare and the demo measure it. A text of words (tokenizer words)
// counts as tokenised already, any other is tokenised by sacreBLEU's 13a; a model without case is scored without case.
#pragma once

#include <string>
#include <vector>

#include "attune/data/corpus.h"
#include "attune/decode/translator.h"
#include "attune/metrics/bleu.h"
#include "attune/models/model_directory.h"

namespace attune::cli {

// The best translation of each source; `purpose` opens the line of progress.
std::vector<std::string> translated_texts(const Model& model, const Tokenizers& tokenizers,
                                          const std::vector<std::string>& sources, const SearchOptions& search,
                                          const std::string& purpose);
BleuOptions bleu_options(const ModelConfig& config);

// Against the corpus's target side; `purpose` as above.
Bleu translation_bleu(const Model& model, const Tokenizers& tokenizers, const ParallelCorpus& corpus,
                      const SearchOptions& search, const std::string& purpose);

// Of the best candidates.
std::vector<std::string> texts_of(const std::vector<Translation>& translations);

}  // namespace attune::cli
