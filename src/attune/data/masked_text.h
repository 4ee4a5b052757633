// What a masked language model learns from (Devlin 2019): of 15 % of a sequence's pieces, drawn anew in every epoch, 80
// % become [MASK], 10 % another piece and 10 % stay, and all of them are to be told. With next_sentence a sequence is
// two parts of text, of which half of the time the second is from another document. All that is drawn depends on
// (generator, number of the sequence) alone, whatever is in the batch beside it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "attune/base/rng.h"
#include "attune/data/packed_text.h"
#include "attune/tensor/segments.h"

namespace attune {

inline constexpr double masked_share = 0.15;

struct MaskingOptions {
  bool whole_words = false;  // all pieces of a word or none
  bool next_sentence = false;
  int vocabulary = 0;  // another piece is one of these, special ones excepted
};

struct MaskedBatch {
  std::vector<int32_t> ids;  // [CLS] pieces [SEP], or [CLS] A [SEP] B [SEP], masked
  Segments segments;
  std::vector<int32_t> types;    // with next_sentence: 1 for B and its [SEP], else 0
  std::vector<int32_t> rows;     // of ids, that are to be told; rising
  std::vector<int32_t> gold;     // what stood there
  std::vector<int32_t> follows;  // with next_sentence, for each sequence: 1 when B is what follows A
};

MaskedBatch make_masked_batch(const PackedText& text, std::span<const int> sequences, const MaskingOptions& options,
                              const Rng& rng);

// The sequences of each batch of an epoch, in an order of its own; at most batch_tokens pieces, special ones included,
// and at least one sequence.
std::vector<std::vector<int>> shuffled_batches(const PackedText& text, int batch_tokens, const Rng& rng);
// The same in the text's order.
std::vector<std::vector<int>> batches_in_order(const PackedText& text, int batch_tokens);

}  // namespace attune
