#include "attune/decode/streamed_text.h"

#include <algorithm>

#include "attune/text/unicode.h"

namespace attune {

namespace {

// Decoding is quadratic in what is remembered, and a blank depends on a few pieces before it.
constexpr size_t most_remembered = 64;

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD

// How many bytes the character that starts with this byte has; 0: none does.
size_t size_of_character(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80                   ? 1
         : byte >= 0xC2 && byte < 0xE0 ? 2
         : byte >= 0xE0 && byte < 0xF0 ? 3
         : byte >= 0xF0 && byte < 0xF5 ? 4
                                       : 0;
}

bool could_become_whole(std::string_view start) {
  return start.size() < size_of_character(start[0]) &&
         std::all_of(start.begin() + 1, start.end(), [](char c) { return (c & 0xC0) == 0x80; });
}

}  // namespace

StreamedText::StreamedText(const Tokenizer& tokenizer, std::span<const int> before) : tokenizer_(tokenizer) {
  const auto line_end = std::find(before.rbegin(), before.rend(), tokenizer.line_end());
  const auto size = std::min<size_t>(static_cast<size_t>(line_end - before.rbegin()), most_remembered / 2);
  line_.assign(before.end() - static_cast<std::ptrdiff_t>(size), before.end());
  shown_ = tokenizer_.decode(line_).size();
}

std::string StreamedText::add(int id) {
  if (id == tokenizer_.line_end()) {
    std::string text = end() + "\n";
    line_.clear();
    shown_ = 0;
    return text;
  }
  line_.push_back(id);
  const std::string text = tokenizer_.decode(line_);
  std::string fresh = whole_characters(text, false);
  if (line_.size() >= most_remembered && shown_ == text.size()) {
    line_.erase(line_.begin(), line_.begin() + most_remembered / 2);
    shown_ = tokenizer_.decode(line_).size();
  }
  return fresh;
}

std::string StreamedText::end() {
  return whole_characters(tokenizer_.decode(line_), true);
}

std::string StreamedText::whole_characters(std::string_view text, bool at_end) {
  std::string fresh;
  while (shown_ < text.size()) {
    const std::string_view rest = text.substr(shown_);
    size_t valid = rest.size();
    if (!valid_utf8(rest, &valid) && valid == 0) {
      if (!at_end && could_become_whole(rest)) {
        break;
      }
      fresh += replacement;
      ++shown_;
      continue;
    }
    fresh += rest.substr(0, valid);
    shown_ += valid;
  }
  return fresh;
}

}  // namespace attune
