// What each word of a translation looked at: the cross-attention of one head of one decoder layer (or the mean of all
// of either), in the row that predicts a target piece. Pieces become words: what a word's pieces attend to is averaged,
// what is attended in a word's pieces is summed; </s> is no word. As an alignment, each target word links to the source
// word it looked at most (of equal ones the first).
#pragma once

#include <span>
#include <vector>

#include "attune/data/batches.h"
#include "attune/metrics/alignment.h"
#include "attune/models/model.h"

namespace attune {

struct AlignmentOptions {
  // Of the decoder, from 0; -1: the mean of all; -2: the last but one (the only one, if there is one). The mean comes
  // nearest to the gold links of the generated corpus: error rate 15 %, the two layers by themselves 21 and 18.
  int layer = -1;
  int head = -1;        // from 0; -1: the mean of all
  int batch_size = 32;  // sentences
};

// The word of each piece, -1 for none: Tokenizer::word_of_piece of both sides of a pair.
struct WordsOfPieces {
  std::vector<int> source, target;
};

struct WordAttention {
  int source_words = 0, target_words = 0;
  std::vector<double> weights;  // [target_words, source_words]; a row sums to 1 less what </s> got
  std::vector<bool> written;    // of a target word: whether any piece belongs to it
};

// Of weights [rows, columns] at hand: row i predicts target piece i, the last one </s>, as does the last column.
WordAttention between_words(const std::vector<double>& weights, size_t columns, const WordsOfPieces& words);

// For each pair (ids without </s>).
std::vector<WordAttention> attend_words(const Model& model, std::span<const Example> pairs,
                                        std::span<const WordsOfPieces> words, const AlignmentOptions& options);

// The links that it gives, sorted by target word.
Alignment links_of(const WordAttention& attention);

// For each pair its links.
std::vector<Alignment> align_words(const Model& model, std::span<const Example> pairs,
                                   std::span<const WordsOfPieces> words, const AlignmentOptions& options);

// The links that each head of each layer gives by itself, the mean over heads of each layer (head -1) and the mean over
// everything (layer -1, head -1), in one pass; ordered by layer and head, the means first.
struct HeadAlignments {
  int layer = -1, head = -1;
  std::vector<Alignment> links;  // of each pair
};
std::vector<HeadAlignments> align_words_by_head(const Model& model, std::span<const Example> pairs,
                                                std::span<const WordsOfPieces> words, int batch_size);

// Throws a UsageError when the model has no such layer or head or attends to nothing.
void check_options(const AlignmentOptions& options, const ModelConfig& config);

}  // namespace attune
