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

TEST(TextStream, of_completions_predicts_each_completion_and_its_end) {
  const auto tokenizer = characters();
  const TextStream stream = TextStream::of({{"ab", "", "abc"}, {"cd", "d", "dd"}}, *tokenizer, 5);
  EXPECT_EQ(stream.left_out(), 1) << "six pieces, the line's end in front included";
  EXPECT_EQ(ids(stream.pieces()), (std::vector<int32_t>{3, 4, 5, 6, 7, 3, 7, 3}));  // \n ab cd \n d \n
  EXPECT_EQ(stream.predicted(), 5);
  const std::vector<Window> lines = windows(stream, 3, 2);
  const TextBatch batch = make_text_batch(stream, lines);
  EXPECT_EQ(batch.ids, (std::vector<int32_t>{3, 4, 5, 6, 7, 3, 7}));
  ASSERT_EQ(batch.segments.count(), 2);
  EXPECT_EQ(batch.segments.length(0), 5);
  EXPECT_EQ(batch.rows, (std::vector<int32_t>{2, 3, 4, 5, 6}));
  EXPECT_EQ(batch.gold, (std::vector<int32_t>{6, 7, 3, 7, 3}));
  EXPECT_EQ(make_text_batch(stream, std::span(lines).last(1)).rows, (std::vector<int32_t>{0, 1}));
  std::vector<size_t> places;
  stream.for_each_predicted([&](size_t place) { places.push_back(place); });
  EXPECT_EQ(places, (std::vector<size_t>{3, 4, 5, 6, 7}));
  EXPECT_EQ(TextStream::of({{"abc"}, {"dd"}}, *tokenizer).left_out(), 0);
  EXPECT_THROW(TextStream::of({{"abc"}, {"dd"}}, *tokenizer, 5), Error);
}

}  // namespace
}  // namespace attune
