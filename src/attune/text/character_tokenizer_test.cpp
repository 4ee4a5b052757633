#include <gtest/gtest.h>

#include <algorithm>

#include "attune/base/error_of_test.h"
#include "attune/text/tokenizer.h"
#include "attune/text/unicode.h"

namespace attune {
namespace {

using testing::error_of;

TokenizerOptions options_of(TokenizerKind kind, int vocab_size) {
  return {.kind = kind, .vocab_size = vocab_size};
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST(CharacterTokenizer, loses_nothing) {
  const std::string text =
      "  Zwei\n\n\tMänner: \xC2\xA0"
      "ABC\r\n ";
  const std::vector<std::string> lines = {"  Zwei", "",
                                          "\tMänner: \xC2\xA0"
                                          "ABC\r",
                                          " "};
  for (const TokenizerKind kind : {TokenizerKind::characters, TokenizerKind::bytes}) {
    const auto tokenizer = Tokenizer::train(lines, options_of(kind, 100));
    const std::vector<int> ids = tokenizer->encode(text);
    EXPECT_EQ(tokenizer->decode(ids), text);
    EXPECT_EQ(ids.size(), kind == TokenizerKind::bytes ? text.size() : count_code_points(text));
    EXPECT_EQ(std::count(ids.begin(), ids.end(), unk_id), 0);
    const std::vector<int> words = tokenizer->word_of_piece(ids);
    EXPECT_EQ(*std::max_element(words.begin(), words.end()), 2);
    EXPECT_EQ(std::count(words.begin(), words.end(), -1), 3) << "what stands behind the last word";
    const TokenizerOptions masks{.kind = kind, .vocab_size = 100, .mask_pieces = true};
    EXPECT_EQ(Tokenizer::train(lines, masks)
                  ->encode("[MASK]"
                           "A"),
              (std::vector<int>{mask_id, tokenizer->encode("A")[0] + 3}));
  }
  // The most frequent characters alone: line ends, blanks, and e.
  const std::vector<std::string> few = {"e e", "e z", ""};
  const auto small = Tokenizer::train(few, options_of(TokenizerKind::characters, 6));
  EXPECT_EQ(small->encode("z e\n"), (std::vector<int>{unk_id, 5, 4, 3}));
  EXPECT_EQ(Tokenizer::train(few, options_of(TokenizerKind::bytes, 4))->vocab_size(), 259);
}

TEST(CharacterTokenizer, refuses_damaged_files) {
  const auto refuse = [](TokenizerKind kind, std::string_view bytes) {
    return error_of([&] { Tokenizer::from_bytes(bytes, options_of(kind, 0), "v"); });
  };
  EXPECT_EQ(refuse(TokenizerKind::characters, "\nab"), "no error");
  EXPECT_TRUE(contains(refuse(TokenizerKind::characters, "\naba"), "the character 'a' stands there twice"));
  EXPECT_TRUE(contains(refuse(TokenizerKind::characters, "a\xff"), "expected characters in UTF-8"));
  EXPECT_TRUE(contains(refuse(TokenizerKind::characters, ""), "expected characters in UTF-8"));
  EXPECT_TRUE(contains(refuse(TokenizerKind::bytes, "abc"), "expected the 256 bytes"));
}

}  // namespace
}  // namespace attune
