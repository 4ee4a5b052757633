// A piece for every character (Unicode code point) or for every byte, blanks and line ends among them: nothing of a
// text is lost. The file is the pieces behind the special ones, one after another, in the order of their ids; that of
// bytes is the 256 bytes, so that no text has an unknown one.
#include <algorithm>
#include <unordered_map>

#include "attune/base/check.h"
#include "attune/text/tokenizer_kinds.h"
#include "attune/text/unicode.h"

namespace attune::detail {
namespace {

constexpr std::string_view unknown_text = "\xE2\x81\x87";  // U+2047, as SentencePiece shows it

// What one piece reads of the text from `at` on.
std::string_view symbol(std::string_view text, size_t at, TokenizerKind kind) {
  size_t end = at + 1;
  if (kind == TokenizerKind::characters) {
    end = at;
    next_code_point(text, end);
  }
  return text.substr(at, end - at);
}

// 1 for each byte of a character that is no white space: a byte alone does not say what it is part of.
std::vector<uint8_t> visible_bytes(std::string_view text) {
  std::vector<uint8_t> visible(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const bool seen = !is_space(next_code_point(text, at));
    std::fill(visible.begin() + static_cast<std::ptrdiff_t>(begin), visible.begin() + static_cast<std::ptrdiff_t>(at),
              seen ? 1 : 0);
  }
  return visible;
}

class CharacterTokenizer : public Tokenizer {
 public:
  CharacterTokenizer(const std::vector<std::string>& symbols, const TokenizerOptions& options)
      : kind_(options.kind),
        specials_(specials_of(options).size()),
        lower_(options.lowercase),
        masks_(options.mask_pieces) {
    pieces_.assign(specials_of(options).begin(), specials_of(options).end());
    for (const std::string& text : symbols) {
      ids_.emplace(text, static_cast<int>(pieces_.size()));
      pieces_.push_back(text);
    }
  }

  std::string bytes() const override {
    std::string all;
    for (size_t id = specials_; id < pieces_.size(); ++id) {
      all += pieces_[id];
    }
    return all;
  }

  std::vector<int> encode(std::string_view given) const override {
    check_utf8(given);
    const std::string lowered = lower_ ? lowercase_text(given, masks_) : std::string();
    const std::string_view text = lower_ ? std::string_view(lowered) : given;
    std::vector<int> ids;
    for (size_t at = 0; at < text.size();) {
      if (masks_ && text.substr(at).starts_with(mask_text)) {
        ids.push_back(mask_id);
        at += mask_text.size();
        continue;
      }
      const std::string_view one = symbol(text, at, kind_);
      const auto found = ids_.find(std::string(one));
      ids.push_back(found == ids_.end() ? unk_id : found->second);
      at += one.size();
    }
    return ids;
  }

  std::string decode(std::span<const int> ids) const override {
    check_ids(ids);
    std::string text;
    for (const int id : ids) {
      if (id != bos_id && id != eos_id) {
        text += id == unk_id ? unknown_text : pieces_[static_cast<size_t>(id)];
      }
    }
    return text;
  }

  int vocab_size() const override { return static_cast<int>(pieces_.size()); }

  int line_end() const override {
    const auto found = ids_.find("\n");
    return found == ids_.end() ? eos_id : found->second;  // of a file without it
  }

  const std::string& piece(int id) const override {
    check_ids(std::span(&id, 1));
    return pieces_[static_cast<size_t>(id)];
  }

  // Blanks belong to the word behind them, as SentencePiece's do.
  std::vector<int> word_of_piece(std::span<const int> ids) const override {
    const std::vector<uint8_t> visible = visible_bytes(decode(ids));
    std::vector<int> words(ids.size(), -1);
    int word = -1;
    bool starts = true;  // the next visible piece opens a word
    size_t first = 0;    // of the pieces since the last visible one
    size_t at = 0;
    for (size_t i = 0; i < ids.size(); ++i) {
      const size_t end = at + decode(ids.subspan(i, 1)).size();
      const std::span mine = std::span(visible).subspan(at, end - at);
      if (std::find(mine.begin(), mine.end(), 1) == mine.end()) {
        starts = starts || end > at;
      } else {
        word += starts ? 1 : 0;
        starts = false;
        for (; first <= i; ++first) {
          words[first] = ids[first] == bos_id || ids[first] == eos_id ? -1 : word;
        }
        first = i + 1;
      }
      at = end;
    }
    return words;
  }

 private:
  TokenizerKind kind_;
  size_t specials_;
  std::vector<std::string> pieces_;
  std::unordered_map<std::string, int> ids_;
  bool lower_, masks_;
};

std::vector<std::string> every_byte() {
  std::vector<std::string> symbols;
  for (int byte = 0; byte < 256; ++byte) {
    symbols.emplace_back(1, static_cast<char>(byte));
  }
  return symbols;
}

}  // namespace

std::unique_ptr<Tokenizer> train_characters(const Corpora& corpora, const TokenizerOptions& options) {
  if (options.kind == TokenizerKind::bytes) {
    return std::make_unique<CharacterTokenizer>(every_byte(), options);
  }
  std::unordered_map<std::string, int64_t> counts;
  bool blank = true;
  for (std::span<const std::string> lines : corpora) {
    for (const std::string& line : lines) {
      blank = blank && split_whitespace(line).empty();
      const std::string text = options.lowercase ? lowercase(line) : line;
      for (size_t at = 0; at < text.size();) {
        const std::string_view one = symbol(text, at, options.kind);
        ++counts[std::string(one)];
        at += one.size();
      }
      ++counts["\n"];
    }
  }
  check(!blank, "tokenizer: the training text is empty or blank; give it lines with words");
  std::vector<std::pair<std::string, int64_t>> sorted(counts.begin(), counts.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;  // ties by spelling: a fixed order
  });
  std::vector<std::string> symbols;
  for (auto& [text, count] : sorted) {
    if (symbols.size() + specials_of(options).size() == static_cast<size_t>(options.vocab_size)) {
      break;
    }
    symbols.push_back(text);
  }
  return std::make_unique<CharacterTokenizer>(symbols, options);
}

std::unique_ptr<Tokenizer> load_characters(std::string_view bytes, const TokenizerOptions& options,
                                           const std::string& where) {
  if (options.kind == TokenizerKind::bytes) {
    std::string all;
    for (const std::string& byte : every_byte()) {
      all += byte;
    }
    check(bytes == all, where, ": expected the 256 bytes from 0 to 255; is this a .bytes file?");
    return std::make_unique<CharacterTokenizer>(every_byte(), options);
  }
  check(!bytes.empty() && valid_utf8(bytes), where, ": expected characters in UTF-8; is this a .characters file?");
  std::vector<std::string> symbols;
  for (size_t at = 0; at < bytes.size(); at += symbols.back().size()) {
    symbols.emplace_back(symbol(bytes, at, options.kind));
  }
  std::vector<std::string> sorted = symbols;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  check(twice == sorted.end(), where, ": the character '", twice == sorted.end() ? "" : *twice,
        "' stands there twice; is this a .characters file?");
  return std::make_unique<CharacterTokenizer>(symbols, options);
}

}  // namespace attune::detail
