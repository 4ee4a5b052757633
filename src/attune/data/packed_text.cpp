#include "attune/data/packed_text.h"

#include <algorithm>

#include "attune/base/check.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"

namespace attune {

namespace {

struct Encoded {
  std::vector<int32_t> ids;
  std::vector<uint8_t> word_starts, line_starts;
};

void add_line(Encoded& into, const std::string& line, const Tokenizer& tokenizer) {
  std::vector<int> ids = tokenizer.encode(line);
  std::replace(ids.begin(), ids.end(), mask_id, unk_id);  // a text's own "[MASK]" is no mask
  const std::vector<int> words = tokenizer.word_of_piece(ids);
  for (size_t i = 0; i < ids.size(); ++i) {
    into.ids.push_back(ids[i]);
    into.word_starts.push_back(i == 0 || words[i] != words[i - 1] ? 1 : 0);
    into.line_starts.push_back(i == 0 ? 1 : 0);
  }
}

std::vector<Encoded> encoded(const std::vector<Document>& documents, const Tokenizer& tokenizer) {
  const ProfileScope scope("tokenize");
  std::vector<Encoded> all(documents.size());
  parallel_for(static_cast<int64_t>(documents.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      for (const std::string& line : documents[i]) {
        add_line(all[i], line, tokenizer);
      }
    }
  });
  return all;
}

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from, size_t begin, size_t count) {
  const auto first = from.begin() + static_cast<std::ptrdiff_t>(begin);
  to.insert(to.end(), first, first + static_cast<std::ptrdiff_t>(count));
}

}  // namespace

PackedText::PackedText(const std::vector<Document>& documents, const Tokenizer& tokenizer, const PackOptions& options)
    : specials_(options.pairs ? 3 : 2) {
  const int least = specials_ - 1;  // of pieces in a sequence
  check(options.sequence_length >= specials_ + least, "packed text: sequences of ", options.sequence_length,
        " pieces have no room for text");
  const auto most = static_cast<size_t>(options.sequence_length - specials_);
  int document = 0;
  for (const Encoded& text : encoded(documents, tokenizer)) {
    const int before = count();
    for (size_t begin = 0; begin < text.ids.size(); begin += most) {
      const size_t size = std::min(most, text.ids.size() - begin);
      if (size < static_cast<size_t>(least)) {
        left_out_ += static_cast<int64_t>(size);
        continue;
      }
      append(ids_, text.ids, begin, size);
      append(word_starts_, text.word_starts, begin, size);
      append(line_starts_, text.line_starts, begin, size);
      begins_.push_back(ids_.size());
      documents_.push_back(document);
    }
    document += count() > before ? 1 : 0;
  }
  check(count() > 0, "packed text: the text is empty or blank; give it lines with words");
  check(!options.pairs || this->documents() > 1,
        "next-sentence: a second part that does not follow the first comes from ",
        "another document, but the text has only one; blank lines or WikiText's headings stand between documents");
}

}  // namespace attune
