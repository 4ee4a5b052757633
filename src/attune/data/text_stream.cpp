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

namespace {

std::vector<std::vector<int>> encoded(std::span<const std::string> texts, const Tokenizer& tokenizer) {
  const ProfileScope scope("tokenize");
  std::vector<std::vector<int>> pieces(texts.size());
  parallel_for(static_cast<int64_t>(texts.size()), 64, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      pieces[i] = tokenizer.encode(texts[i]);
    }
  });
  return pieces;
}

}  // namespace

TextStream::TextStream(const PlainText& text, const Tokenizer& tokenizer) : pieces_{tokenizer.line_end()} {
  for (const std::vector<int>& line : encoded(text.lines, tokenizer)) {
    pieces_.insert(pieces_.end(), line.begin(), line.end());
    pieces_.push_back(tokenizer.line_end());
  }
  if (!text.lines.empty() && !text.ends_with_line) {
    pieces_.pop_back();
  }
  predicted_ = static_cast<int64_t>(pieces_.size()) - 1;
  check(predicted_ > 0, "language model: the text is empty");
}

TextStream TextStream::of(const Completions& text, const Tokenizer& tokenizer, int longest) {
  TextStream stream(tokenizer.line_end());
  const auto prompts = encoded(text.prompts, tokenizer), completions = encoded(text.completions, tokenizer);
  std::vector<int32_t>& pieces = stream.pieces_;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const std::vector<int>&prompt = prompts[i], &completion = completions[i];
    const size_t length = 1 + prompt.size() + completion.size();
    if (longest > 0 && length > static_cast<size_t>(longest)) {
      ++stream.left_out_;
      continue;
    }
    const int64_t begin = std::ssize(pieces) - 1;
    stream.lines_.push_back({begin, static_cast<int>(length), static_cast<int>(prompt.size())});
    pieces.insert(pieces.end(), prompt.begin(), prompt.end());
    pieces.insert(pieces.end(), completion.begin(), completion.end());
    pieces.push_back(tokenizer.line_end());
    stream.predicted_ += std::ssize(completion) + 1;
  }
  check(!stream.lines_.empty(), "completions: all ", stream.left_out_, " lines have more than ", longest,
        " pieces (sequence-length), the line's end in front included; give shorter ones or raise it");
  return stream;
}

std::vector<Window> windows(const TextStream& text, int length, int first) {
  check(length > 0 && first > 0, "windows: of ", length, " pieces, the first of ", first);
  std::vector<Window> list(text.lines().begin(), text.lines().end());
  for (int64_t begin = 0; !text.of_completions() && begin < text.predicted(); begin += list.back().length) {
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
    for (int i = window.skip; text.of_completions() && i < window.length; ++i) {
      batch.rows.push_back(static_cast<int32_t>(batch.ids.size()) + i);
    }
    batch.ids.insert(batch.ids.end(), begin, begin + window.length);
    batch.gold.insert(batch.gold.end(), begin + window.skip + 1, begin + 1 + window.length);
    lengths.push_back(window.length);
  }
  batch.segments = Segments::of_lengths(lengths);
  return batch;
}

}  // namespace attune
