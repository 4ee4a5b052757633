// Text for language models as one stream: every piece but the first is predicted from those before it, in sequences
// that follow one another without a gap. A line's end is a piece (Tokenizer::line_end), and the stream begins with one,
// so that the first piece of the text, too, has something before it. Lines of prompt and completion stand in the stream
// one after another as well, but each is a sequence of its own, from the line's end in front of it, and predicted are
// its completion and the line's end behind that.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "attune/data/completions.h"
#include "attune/data/corpus.h"
#include "attune/tensor/segments.h"
#include "attune/text/tokenizer.h"

namespace attune {

// Of a text that goes on: no line's end behind it, other than those that stand in it.
std::vector<int> pieces_of_text(std::string_view text, const Tokenizer& tokenizer);

// Reads pieces [begin, begin + length) of the stream and predicts the piece behind each of them but the first `skip`.
struct Window {
  int64_t begin = 0;
  int length = 0, skip = 0;
};

class TextStream {
 public:
  // Throws when the text has no piece.
  TextStream(const PlainText& text, const Tokenizer& tokenizer);
  // Leaves out lines of more than `longest` pieces, the line's end in front included, or none (0). Throws when none is
  // left.
  static TextStream of(const Completions& text, const Tokenizer& tokenizer, int longest = 0);

  std::span<const int32_t> pieces() const { return pieces_; }  // the line's end in front included
  int64_t predicted() const { return predicted_; }
  bool of_completions() const { return !lines_.empty(); }
  std::span<const Window> lines() const { return lines_; }  // of completions; otherwise empty
  int64_t left_out() const { return left_out_; }            // lines

  // For every predicted piece its place among pieces(), in order.
  template <class Each>
  void for_each_predicted(Each&& each) const {
    if (!of_completions()) {
      for (size_t i = 1; i < pieces_.size(); ++i) each(i);
    }
    for (const Window& line : lines_) {
      for (int i = line.skip; i < line.length; ++i) each(static_cast<size_t>(line.begin + i + 1));
    }
  }

 private:
  explicit TextStream(int line_end) : pieces_{line_end} {}

  std::vector<int32_t> pieces_;
  std::vector<Window> lines_;
  int64_t predicted_ = 0, left_out_ = 0;
};

// All of the stream, in order: the first window has `first` pieces, the others `length`, the last one what is left.
// Of completions the lines, whatever the lengths.
std::vector<Window> windows(const TextStream& text, int length, int first);

struct TextBatch {
  std::vector<int32_t> ids;
  Segments segments;
  // rows[i] of the ids is what gold[i] is predicted from; rows is empty where that is all of them, in order.
  std::vector<int32_t> rows, gold;
};
TextBatch make_text_batch(const TextStream& text, std::span<const Window> some);

}  // namespace attune
