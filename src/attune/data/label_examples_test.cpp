#include "attune/data/label_examples.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

using Strings = std::vector<std::string>;

TEST(LabelExamples, texts_become_sources_with_a_first_token_where_one_is_wanted) {
  const Strings lines{"a b c"};
  const auto tokenizer = Tokenizer::train(std::span<const std::string>(lines), {.kind = TokenizerKind::words});
  const std::vector<int> ids = tokenizer->encode("a b");
  const Strings texts{"a b", ""};
  EXPECT_EQ(encode_texts(texts, *tokenizer)[0].source, ids);
  EXPECT_TRUE(encode_texts(texts, *tokenizer)[0].target.empty());
  const auto first = encode_texts(texts, *tokenizer, {.first_token = true});
  EXPECT_EQ(first[0].source, (std::vector<int>{bos_id, ids[0], ids[1]}));
  EXPECT_EQ(first[1].source, std::vector<int>{bos_id});
}

TEST(LabelExamples, every_word_knows_its_first_piece) {
  const Strings lines{"walk walking talk talking walk talk walking talking"};
  const auto tokenizer =
      Tokenizer::train(std::span<const std::string>(lines), {.kind = TokenizerKind::bpe, .vocab_size = 14});
  const std::vector<Strings> sentences{{"walking", "talk", "\xE2\x80\x8B", "walk"},
                                       {}};  // U+200B has no piece of its own
  const WordExamples examples = encode_words(sentences, *tokenizer);
  ASSERT_EQ(examples.first_pieces[0].size(), 4U);
  EXPECT_TRUE(examples.first_pieces[1].empty());
  EXPECT_TRUE(examples.examples[1].source.empty());
  const std::vector<int>& ids = examples.examples[0].source;
  for (size_t word = 0; word < 4; ++word) {
    const auto begin = static_cast<size_t>(examples.first_pieces[0][word]);
    const size_t end = word + 1 < 4 ? static_cast<size_t>(examples.first_pieces[0][word + 1]) : ids.size();
    ASSERT_LT(begin, end) << word;
    if (word != 2) {
      EXPECT_EQ(std::vector<int>(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                                 ids.begin() + static_cast<std::ptrdiff_t>(end)),
                tokenizer->encode(sentences[0][word]));
    }
  }
  EXPECT_GT(ids.size(), 4U);  // a word of several pieces is among them
}

}  // namespace
}  // namespace attune
