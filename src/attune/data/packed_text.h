// Documents as sequences of a fixed length: each document's pieces, line behind line, are cut into as many as fit
// between [CLS] and [SEP]. No sequence reaches from one document into the next, so that a document's last one is
// shorter.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "attune/data/documents.h"
#include "attune/text/tokenizer.h"

namespace attune {

struct PackOptions {
  int sequence_length = 128;  // special pieces included
  bool pairs = false;         // room for two pieces of text: [CLS] A [SEP] B [SEP]
};

class PackedText {
 public:
  // Throws when nothing is left to learn from; with pairs, when there is only one document.
  PackedText(const std::vector<Document>& documents, const Tokenizer& tokenizer, const PackOptions& options);

  int count() const { return static_cast<int>(begins_.size()) - 1; }
  // Of sequence i, without special pieces.
  std::span<const int32_t> pieces(int i) const { return part(ids_, i); }
  // 1 where a piece begins a word, or a line of the text.
  std::span<const uint8_t> word_starts(int i) const { return part(word_starts_, i); }
  std::span<const uint8_t> line_starts(int i) const { return part(line_starts_, i); }
  // Of sequence i with its special pieces, at most.
  int tokens(int i) const { return static_cast<int>(pieces(i).size()) + specials_; }
  int document(int i) const { return documents_[static_cast<size_t>(i)]; }
  int documents() const { return documents_.back() + 1; }  // that have a sequence
  std::span<const int32_t> all_pieces() const { return ids_; }
  // Pieces in sequences that were too short to be anything: with pairs those of a single piece.
  int64_t left_out() const { return left_out_; }

 private:
  template <class T>
  std::span<const T> part(const std::vector<T>& of, int i) const {
    const auto begin = begins_[static_cast<size_t>(i)], end = begins_[static_cast<size_t>(i) + 1];
    return std::span(of).subspan(begin, end - begin);
  }

  int specials_;
  std::vector<int32_t> ids_;
  std::vector<uint8_t> word_starts_, line_starts_;
  std::vector<size_t> begins_{0};  // of each sequence, and the end
  std::vector<int> documents_;     // of each sequence
  int64_t left_out_ = 0;
};

}  // namespace attune
