// Text for language models as one stream: every piece but the first is predicted from those before it, in sequences
// that follow one another without a gap. A line's end is a piece (Tokenizer::line_end), and the stream begins with one,
// so that the first piece of the text, too, has something before it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "attune/data/corpus.h"
#include "attune/tensor/segments.h"
#include "attune/text/tokenizer.h"

namespace attune {

// Of a text that goes on: no line's end behind it, other than those that stand in it.
std::vector<int> pieces_of_text(std::string_view text, const Tokenizer& tokenizer);

class TextStream {
 public:
  // Throws when the text has no piece.
  TextStream(const PlainText& text, const Tokenizer& tokenizer);

  std::span<const int32_t> pieces() const { return pieces_; }  // the line's end in front included
  int64_t predicted() const { return static_cast<int64_t>(pieces_.size()) - 1; }

 private:
  std::vector<int32_t> pieces_;
};

// Reads pieces [begin, begin + length) of the stream and predicts the piece behind each of them.
struct Window {
  int64_t begin = 0;
  int length = 0;
};
// All of the stream, in order: the first window has `first` pieces, the others `length`, the last one what is left.
std::vector<Window> windows(const TextStream& text, int length, int first);

struct TextBatch {
  std::vector<int32_t> ids, gold;  // gold[i] is what follows ids[i]
  Segments segments;
};
TextBatch make_text_batch(const TextStream& text, std::span<const Window> some);

}  // namespace attune
