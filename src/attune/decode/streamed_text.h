// Pieces as text, as they come: what a piece adds to the text is given out at once, except bytes of a character that is
// not whole yet, which wait for the rest of it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "attune/text/tokenizer.h"

namespace attune {

class StreamedText {
 public:
  // before: the pieces in front, whose text is not given out, but which decide whether a blank comes next.
  StreamedText(const Tokenizer& tokenizer, std::span<const int> before);

  // The text that the next piece adds, UTF-8 always: bytes that are none become U+FFFD.
  std::string add(int id);
  // What is still waiting: a character that will not become whole.
  std::string end();

 private:
  std::string whole_characters(std::string_view text, bool at_end);

  const Tokenizer& tokenizer_;
  std::vector<int> line_;  // the last pieces since a line's end; what they decode to is given out up to shown_
  size_t shown_ = 0;
};

}  // namespace attune
