#include "attune/data/text_stream.h"

#include <algorithm>

#include "attune/base/check.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"

namespace attune {

std::vector<int> pieces_of_text(std::string_view text, const Tokenizer& tokenizer) {
  std::vector<int> pieces;
  for (size_t begin = 0;;) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::vector<int> line = tokenizer.encode(text.substr(begin, end - begin));
    pieces.insert(pieces.end(), line.begin(), line.end());
    if (end == text.size()) {
      return pieces;
    }
    pieces.push_back(tokenizer.line_end());
    begin = end + 1;
  }
}

TextStream::TextStream(const PlainText& text, const Tokenizer& tokenizer) : pieces_{tokenizer.line_end()} {
  const ProfileScope scope("tokenize");
  std::vector<std::vector<int>> lines(text.lines.size());
  parallel_for(static_cast<int64_t>(lines.size()), 64, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      lines[i] = tokenizer.encode(text.lines[i]);
    }
  });
  for (const std::vector<int>& line : lines) {
    pieces_.insert(pieces_.end(), line.begin(), line.end());
    pieces_.push_back(tokenizer.line_end());
  }
  if (!lines.empty() && !text.ends_with_line) {
    pieces_.pop_back();
  }
  check(predicted() > 0, "language model: the text is empty");
}

std::vector<Window> windows(const TextStream& text, int length, int first) {
  check(length > 0 && first > 0, "windows: of ", length, " pieces, the first of ", first);
  std::vector<Window> list;
  for (int64_t begin = 0; begin < text.predicted(); begin += list.back().length) {
    const int64_t left = text.predicted() - begin;
    list.push_back({begin, static_cast<int>(std::min<int64_t>(list.empty() ? first : length, left))});
  }
  return list;
}

TextBatch make_text_batch(const TextStream& text, std::span<const Window> some) {
  const ProfileScope scope("make_batch");
  TextBatch batch;
  std::vector<int> lengths;
  for (const Window& window : some) {
    const auto begin = text.pieces().begin() + window.begin;
    batch.ids.insert(batch.ids.end(), begin, begin + window.length);
    batch.gold.insert(batch.gold.end(), begin + 1, begin + 1 + window.length);
    lengths.push_back(window.length);
  }
  batch.segments = Segments::of_lengths(lengths);
  return batch;
}

}  // namespace attune
