// attune evaluate --alignment: the alignment error rate of links that were given, or of all that a model looks at.
#pragma once

#include <string>
#include <vector>

#include "attune/cli/corpus_files.h"
#include "attune/decode/alignment.h"
#include "attune/metrics/alignment.h"
#include "attune/models/model_directory.h"

namespace attune::cli {

// Pairs as a model reads them.
struct EncodedPairs {
  std::vector<Example> examples;
  std::vector<WordsOfPieces> words;
};
EncodedPairs encode_words(const ParallelCorpus& corpus, const Tokenizers& tokenizers);

// One sentence a line; errors name file and line.
std::vector<GoldAlignment> read_gold(const std::string& path, const AlignmentFormat& format);
// As translate and score write them: what stands behind the last " ||| ", or the whole line.
std::vector<Alignment> read_links(const std::string& path);

// Both as text and as JSON, which fields of a document may be made of.
std::string score_text(const AlignmentScore& score);
std::string score_json(const AlignmentScore& score);

// Every head of every layer, their means, and the diagonal.
struct AlignmentReport {
  struct Row {
    int layer, head;  // -1: the mean
    AlignmentScore score;
  };
  std::vector<Row> rows;
  AlignmentScore diagonal = {};
};
AlignmentReport report_alignment(const LoadedModel& loaded, const ParallelCorpus& corpus,
                                 const std::vector<GoldAlignment>& gold, int batch_size);
std::string report_text(const AlignmentReport& report);
std::string report_json(const AlignmentReport& report);

}  // namespace attune::cli
