#include "attune/data/text_stream.h"

#include <gtest/gtest.h>

#include "attune/base/check.h"

namespace attune {
namespace {

std::unique_ptr<Tokenizer> characters() {
  return Tokenizer::from_bytes("\nabcd ", {.kind = TokenizerKind::characters});
}

std::vector<int32_t> ids(std::span<const int32_t> of) {
  return {of.begin(), of.end()};
}

TEST(TextStream, of_characters_loses_nothing_of_the_text) {
  const auto tokenizer = characters();
  for (const bool ends : {true, false}) {
    const TextStream stream({{" ab", "", "  cd ", "a"}, ends}, *tokenizer);
    const std::vector<int> pieces(stream.pieces().begin(), stream.pieces().end());
    EXPECT_EQ(tokenizer->decode(pieces), ends ? "\n ab\n\n  cd \na\n" : "\n ab\n\n  cd \na");
    EXPECT_EQ(stream.predicted(), ends ? 13 : 12);
  }
  EXPECT_EQ(pieces_of_text("ab\n\nc", *tokenizer), (std::vector<int>{4, 5, 3, 3, 6}));
  EXPECT_EQ(pieces_of_text("", *tokenizer), std::vector<int>{});
  EXPECT_THROW(TextStream({{}, true}, *tokenizer), Error);
  EXPECT_THROW(TextStream({{""}, false}, *tokenizer), Error);
}

TEST(TextStream, of_words_ends_each_line_in_the_end_of_a_sentence) {
  const auto words = Tokenizer::from_bytes("<unk>\n<s>\n</s>\nthe\ncat\n", {.kind = TokenizerKind::words});
  const TextStream stream({{"the cat", "", "the dog"}}, *words);
  EXPECT_EQ(ids(stream.pieces()), (std::vector<int32_t>{2, 3, 4, 2, 2, 3, 0, 2}));
  EXPECT_EQ(pieces_of_text("the\ncat\n", *words), (std::vector<int>{3, 2, 4, 2}));
}

TEST(TextStream, windows_predict_every_piece_once) {
  const TextStream stream({{"abcdabcd", "dcba"}}, *characters());  // 14 pieces and the one in front
  for (int length = 1; length <= 16; ++length) {
    for (int first = 1; first <= length; ++first) {
      const std::vector<Window> all = windows(stream, length, first);
      const TextBatch batch = make_text_batch(stream, all);
      EXPECT_EQ(batch.gold, ids(stream.pieces().subspan(1))) << length << ' ' << first;
      EXPECT_EQ(batch.ids, ids(stream.pieces().first(14)));
      ASSERT_EQ(batch.segments.count(), static_cast<int>(all.size()));
      for (int i = 0; i < batch.segments.count(); ++i) {
        EXPECT_LE(batch.segments.length(i), i == 0 ? first : length);
        EXPECT_EQ(batch.segments.begin(i), all[static_cast<size_t>(i)].begin);
      }
    }
  }
}

}  // namespace
}  // namespace attune
