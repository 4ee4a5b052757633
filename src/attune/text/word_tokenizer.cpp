// Plain whitespace words with a vocabulary file: one word a line, its line is its id, the three special pieces first.
// For corpora that are tokenised already; words outside the vocabulary are <unk>.
#include <algorithm>
#include <unordered_map>

#include "attune/base/check.h"
#include "attune/text/tokenizer_kinds.h"
#include "attune/text/unicode.h"

namespace attune::detail {
namespace {

class WordTokenizer : public Tokenizer {
 public:
  WordTokenizer(std::vector<std::string> words, const TokenizerOptions& options)
      : words_(std::move(words)), lower_(options.lowercase), masks_(options.mask_pieces) {
    // Without the special pieces: their spelling is <unk>.
    for (size_t id = specials_of(options).size(); id < words_.size(); ++id) {
      ids_.emplace(words_[id], static_cast<int>(id));
    }
    if (masks_) {
      ids_.emplace(mask_text, mask_id);
    }
  }

  std::string bytes() const override {
    std::string all;
    for (const std::string& word : words_) {
      all += word + '\n';
    }
    return all;
  }

  std::vector<int> encode(std::string_view text) const override {
    check_utf8(text);
    std::vector<int> ids;
    const std::string lowered = lower_ ? lowercase_text(text, masks_) : std::string();
    for (std::string_view word : split_whitespace(lower_ ? std::string_view(lowered) : text)) {
      const auto found = ids_.find(std::string(word));
      ids.push_back(found == ids_.end() ? unk_id : found->second);
    }
    return ids;
  }

  std::string decode(std::span<const int> ids) const override {
    check_ids(ids);
    std::string text;
    for (int id : ids) {
      if (id != bos_id && id != eos_id) {
        text += (text.empty() ? "" : " ") + words_[static_cast<size_t>(id)];
      }
    }
    return text;
  }

  int vocab_size() const override { return static_cast<int>(words_.size()); }

  const std::string& piece(int id) const override {
    check_ids(std::span(&id, 1));
    return words_[static_cast<size_t>(id)];
  }

  std::vector<int> word_of_piece(std::span<const int> ids) const override {
    check_ids(ids);
    std::vector<int> words;
    int word = 0;
    for (int id : ids) {
      words.push_back(id == bos_id || id == eos_id ? -1 : word++);
    }
    return words;
  }

 private:
  std::vector<std::string> words_;
  std::unordered_map<std::string, int> ids_;
  bool lower_, masks_;
};

}  // namespace

std::unique_ptr<Tokenizer> train_words(const Corpora& corpora, const TokenizerOptions& options) {
  const auto specials = specials_of(options);
  std::unordered_map<std::string, int64_t> counts;
  for (std::span<const std::string> lines : corpora) {
    for (const std::string& line : lines) {
      const std::string lowered = options.lowercase ? lowercase(line) : std::string();
      for (std::string_view word : split_whitespace(options.lowercase ? lowered : line)) {
        if (std::find(specials.begin(), specials.end(), word) == specials.end()) {
          ++counts[std::string(word)];
        }
      }
    }
  }
  check(!counts.empty(), "tokenizer: the training text is empty or blank; give it lines with words");
  std::vector<std::pair<std::string, int64_t>> sorted(counts.begin(), counts.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;  // ties by spelling: a fixed order
  });
  std::vector<std::string> words(specials.begin(), specials.end());
  for (auto& [word, count] : sorted) {
    if (words.size() == static_cast<size_t>(options.vocab_size)) {
      break;
    }
    words.push_back(word);
  }
  return std::make_unique<WordTokenizer>(std::move(words), options);
}

std::unique_ptr<Tokenizer> load_words(std::string_view bytes, const TokenizerOptions& options,
                                      const std::string& where) {
  std::vector<std::string> words;
  std::unordered_map<std::string_view, size_t> seen;
  for (size_t at = 0; at < bytes.size();) {
    const size_t end = bytes.find('\n', at);
    const size_t line = words.size() + 1;
    check(end != std::string_view::npos, where, ": the last line (", line, ") does not end; is the file cut short?");
    const std::string_view word = bytes.substr(at, end - at);
    check(valid_utf8(word), where, ":", line, ": not UTF-8; is this a .words file?");
    check(split_whitespace(word) == std::vector{word}, where, ":", line, ": expected one word without blanks, got '",
          word, "'");
    const auto [first, added] = seen.emplace(word, line);
    check(added, where, ":", line, ": the word '", word, "' stands on line ", first->second, " already");
    words.emplace_back(word);
    at = end + 1;
  }
  const auto specials = std::span(all_specials).first(eos_id + 1);
  check(words.size() > specials.size() && std::equal(specials.begin(), specials.end(), words.begin()), where,
        ": expected <unk>, <s> and </s> on the first three lines and words after them; is this a .words file?");
  return std::make_unique<WordTokenizer>(std::move(words), options);
}

}  // namespace attune::detail
