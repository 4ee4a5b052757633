#include "attune/data/masked_text.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "attune/base/error_of_test.h"

namespace attune {
namespace {

using testing::error_of;

std::string word(int i) {
  std::string text = std::to_string(i);
  text.insert(text.begin(), 'w');
  return text;
}

// Words w0 ... w39, whose ids in a vocabulary of words are told by their counts alone.
std::unique_ptr<Tokenizer> words() {
  std::string lines = "<unk>\n<s>\n</s>\n[CLS]\n[SEP]\n[MASK]\n";
  for (int i = 0; i < 40; ++i) {
    lines += word(i) += '\n';
  }
  return Tokenizer::from_bytes(lines, {.kind = TokenizerKind::words, .mask_pieces = true});
}

// Document d has `lines` lines of 7 words: w(d), w(d + 1), ...
std::vector<Document> made(int documents, int lines) {
  std::vector<Document> all;
  for (int d = 0; d < documents; ++d) {
    all.emplace_back();
    for (int line = 0; line < lines; ++line) {
      std::string text;
      for (int i = 0; i < 7; ++i) {
        text += word((d + 7 * line + i) % 40) += ' ';
      }
      all.back().push_back(text);
    }
  }
  return all;
}

std::vector<int> every(const PackedText& text) {
  std::vector<int> all(static_cast<size_t>(text.count()));
  for (int i = 0; i < text.count(); ++i) all[static_cast<size_t>(i)] = i;
  return all;
}

MaskingOptions masking(bool next_sentence = false) {
  return {.next_sentence = next_sentence, .vocabulary = 46};
}

// What stood in the batch before it was masked.
std::vector<int32_t> restored(const MaskedBatch& batch) {
  std::vector<int32_t> ids = batch.ids;
  for (size_t i = 0; i < batch.rows.size(); ++i) {
    ids[static_cast<size_t>(batch.rows[i])] = batch.gold[i];
  }
  return ids;
}

TEST(Documents, end_at_level_1_headings_or_where_there_are_none_at_blank_lines) {
  const std::vector<std::string> wiki{"", " = Robert =", " = Robert = ", "", " text ", " = = Life = = ", " more ",
                                      "", " = x = ",     "last"};
  const auto headed = documents_of(wiki);
  ASSERT_EQ(headed.size(), 3U);
  EXPECT_EQ(headed[1], (Document{" = Robert = ", " text ", " = = Life = = ", " more "}));
  EXPECT_EQ(headed[2], (Document{" = x = ", "last"}));
  EXPECT_EQ(documents_of({"", "a", "b", "", " ", "c"}), (std::vector<Document>{{"a", "b"}, {"c"}}));
  EXPECT_TRUE(documents_of({"", "  "}).empty());
  EXPECT_FALSE(is_level_1_heading("= ="));
  EXPECT_FALSE(is_level_1_heading(" = = Life = = "));
  EXPECT_FALSE(is_level_1_heading("a = b"));
}

TEST(PackedText, is_cut_to_length_and_never_crosses_documents) {
  const auto tokenizer = words();
  const auto documents = made(5, 6);  // 42 pieces each
  const PackedText text(documents, *tokenizer, {.sequence_length = 18});
  EXPECT_EQ(text.documents(), 5);
  EXPECT_EQ(text.count(), 5 * 3);  // 16, 16 and 10
  std::map<int, std::vector<int32_t>> together;
  for (int i = 0; i < text.count(); ++i) {
    EXPECT_EQ(text.pieces(i).size(), i % 3 == 2 ? 10U : 16U);
    EXPECT_EQ(text.tokens(i), static_cast<int>(text.pieces(i).size()) + 2);
    auto& of = together[text.document(i)];
    of.insert(of.end(), text.pieces(i).begin(), text.pieces(i).end());
  }
  for (size_t d = 0; d < documents.size(); ++d) {
    std::vector<int32_t> expected;
    for (const std::string& line : documents[d]) {
      for (const int id : tokenizer->encode(line)) expected.push_back(id);
    }
    EXPECT_EQ(together[static_cast<int>(d)], expected);
  }
  EXPECT_EQ(text.line_starts(0)[7], 1);
  EXPECT_EQ(text.line_starts(0)[8], 0);
  EXPECT_EQ(text.left_out(), 0);
  EXPECT_NE(error_of([&] { PackedText({}, *tokenizer, {}); }).find("empty or blank"), std::string::npos);
  // Pairs have room for one piece less, and a single piece is no pair: 15 + 15 + 12, and 15 + 1.
  EXPECT_EQ(PackedText(documents, *tokenizer, {18, true}).count(), 5 * 3);
  const PackedText odd({{"w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12 w13 w14 w15 w16"}, {"w1 w2"}}, *tokenizer, {18, true});
  EXPECT_EQ(odd.count(), 2);
  EXPECT_EQ(odd.left_out(), 1);
}

TEST(PackedText, a_mask_that_stands_in_the_text_is_no_mask) {
  const auto tokenizer = words();
  EXPECT_EQ(tokenizer->encode("w1 [MASK]"), (std::vector<int>{7, mask_id}));
  EXPECT_EQ(tokenizer->encode("[CLS] [SEP]"), (std::vector<int>{unk_id, unk_id}));
  const PackedText text({{"w1 [MASK]"}}, *tokenizer, {});
  EXPECT_EQ(text.pieces(0)[1], unk_id);
}

TEST(MaskedText, fifteen_per_cent_are_chosen_of_which_80_10_10_become_mask_another_and_themselves) {
  const PackedText text(made(400, 14), *words(), {.sequence_length = 100});
  const MaskedBatch batch = make_masked_batch(text, every(text), masking(), Rng(3));
  std::map<int32_t, int64_t> where;  // how often each place in a sequence is chosen
  int64_t masks = 0, same = 0;
  std::set<int32_t> others;
  for (size_t i = 0; i < batch.rows.size(); ++i) {
    const int32_t now = batch.ids[static_cast<size_t>(batch.rows[i])];
    EXPECT_GE(batch.gold[i], first_ordinary_id);
    masks += now == mask_id ? 1 : 0;
    same += now == batch.gold[i] ? 1 : 0;
    if (now != mask_id) {
      others.insert(now);
      EXPECT_GE(now, first_ordinary_id);
    }
    ++where[batch.rows[i] % 100];
  }
  // 98 pieces a sequence: 15 of them; each sequence is one of 400.
  ASSERT_EQ(text.count(), 400);
  EXPECT_EQ(batch.rows.size(), 400U * 15U);
  const auto all = static_cast<double>(batch.rows.size());
  const auto near = [&](double count, double share) {
    EXPECT_NEAR(count / all, share, 4 * std::sqrt(share * (1 - share) / all));
  };
  near(static_cast<double>(masks), 0.8);
  near(static_cast<double>(same), 0.1 + 0.1 / 40);  // another piece may be the same one
  EXPECT_EQ(others.size(), 40U);
  EXPECT_EQ(where.count(0) + where.count(99), 0U) << "[CLS] or [SEP]";
  EXPECT_EQ(where.size(), 98U);
  for (const auto& [place, count] : where) {
    EXPECT_NEAR(static_cast<double>(count), all / 98, 5 * std::sqrt(all / 98)) << place;
  }
}

TEST(MaskedText, what_is_masked_depends_on_generator_and_sequence_alone) {
  const PackedText text(made(20, 6), *words(), {.sequence_length = 18});
  const auto of = [&](const std::vector<int>& sequences, const Rng& rng, bool pairs = false) {
    return make_masked_batch(text, sequences, masking(pairs), rng);
  };
  for (const bool pairs : {false, true}) {
    const MaskedBatch together = of({4, 9, 2}, Rng(1), pairs), alone = of({9}, Rng(1), pairs);
    const auto begin = static_cast<size_t>(together.segments.begin(1));
    const std::vector<int32_t> part(together.ids.begin() + static_cast<std::ptrdiff_t>(begin),
                                    together.ids.begin() + together.segments.begin(2));
    EXPECT_EQ(part, alone.ids);
    EXPECT_EQ(of(every(text), Rng(1), pairs).ids, of(every(text), Rng(1), pairs).ids);
    EXPECT_NE(of(every(text), Rng(1), pairs).ids, of(every(text), Rng(2), pairs).ids);
    EXPECT_NE(of(every(text), Rng(1), pairs).rows, of(every(text), Rng(2), pairs).rows);
  }
}

TEST(MaskedText, what_is_not_masked_stays) {
  const PackedText text(made(6, 6), *words(), {.sequence_length = 18});
  const MaskedBatch batch = make_masked_batch(text, every(text), masking(), Rng(3));
  const std::vector<int32_t> ids = restored(batch);
  EXPECT_TRUE(std::is_sorted(batch.rows.begin(), batch.rows.end()));
  for (int i = 0; i < text.count(); ++i) {
    const auto begin = static_cast<size_t>(batch.segments.begin(i));
    const auto pieces = text.pieces(i);
    EXPECT_EQ(ids[begin], cls_id);
    EXPECT_TRUE(std::equal(pieces.begin(), pieces.end(), ids.begin() + static_cast<std::ptrdiff_t>(begin) + 1));
    EXPECT_EQ(ids[begin + pieces.size() + 1], sep_id);
  }
}

TEST(MaskedText, whole_words_are_masked_whole) {
  // Pieces of SentencePiece: text of few words, some of which need several.
  std::vector<std::string> lines;
  for (int i = 0; i < 200; ++i) {
    lines.emplace_back(i % 2 == 0 ? "the cat sat on xylophones and quizzically the dog ran to the house"
                                  : "the dog ran to the incomprehensible house and jauntily the cat sat on it");
  }
  const auto tokenizer = Tokenizer::train(lines, {.vocab_size = 38, .mask_pieces = true});
  const PackedText text({lines}, *tokenizer, {.sequence_length = 64});
  const auto partly = [&](bool whole) {
    const MaskedBatch batch =
        make_masked_batch(text, every(text), {.whole_words = whole, .vocabulary = tokenizer->vocab_size()}, Rng(1));
    EXPECT_GT(batch.rows.size(), static_cast<size_t>(text.count()));
    const std::set<int32_t> rows(batch.rows.begin(), batch.rows.end());
    int64_t broken = 0;
    for (int i = 0; i < text.count(); ++i) {
      const auto starts = text.word_starts(i);
      for (size_t j = 1; j < starts.size(); ++j) {
        const auto row = static_cast<int32_t>(static_cast<size_t>(batch.segments.begin(i)) + 1 + j);
        broken += starts[j] == 0 && rows.count(row) != rows.count(row - 1) ? 1 : 0;
      }
    }
    return broken;
  };
  EXPECT_EQ(partly(true), 0);
  EXPECT_GT(partly(false), 100);
}

TEST(MaskedText, half_of_the_second_parts_follow_and_the_others_are_of_another_document) {
  // Every word of document d is w(d), so that each piece tells where it is from.
  std::vector<Document> documents;
  for (int d = 0; d < 40; ++d) {
    documents.emplace_back();
    for (int line = 0; line < 12; ++line) {
      std::string text;
      for (int i = 0; i < 5; ++i) text += word(d) += ' ';
      documents.back().push_back(text);
    }
  }
  const PackedText text(documents, *words(), {.sequence_length = 23, .pairs = true});
  const MaskedBatch batch = make_masked_batch(text, every(text), masking(true), Rng(5));
  const std::vector<int32_t> ids = restored(batch);
  double follow = 0;
  for (int i = 0; i < text.count(); ++i) {
    const auto begin = static_cast<size_t>(batch.segments.begin(i)),
               end = begin + static_cast<size_t>(batch.segments.length(i));
    EXPECT_EQ(ids[begin], cls_id);
    EXPECT_EQ(ids[end - 1], sep_id);
    const auto first = std::find(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                                 ids.begin() + static_cast<std::ptrdiff_t>(end), sep_id);
    const auto split = static_cast<size_t>(first - ids.begin());
    EXPECT_EQ((split - begin - 1) % 5, 0U) << "parts meet between lines";
    for (size_t j = begin; j < end; ++j) {
      EXPECT_EQ(batch.types[j], j <= split ? 0 : 1);
    }
    const bool same = ids[begin + 1] == ids[split + 1];
    EXPECT_EQ(batch.follows[static_cast<size_t>(i)], same ? 1 : 0);
    follow += same ? 1 : 0;
  }
  const double all = text.count();
  EXPECT_NEAR(follow / all, 0.5, 4 * std::sqrt(0.25 / all));
  EXPECT_NE(error_of([&] { PackedText({documents[0]}, *words(), {23, true}); }).find("only one"), std::string::npos);
}

TEST(MaskedText, batches_hold_every_sequence_once_and_no_more_tokens_than_asked_for) {
  const PackedText text(made(30, 6), *words(), {.sequence_length = 18});
  for (const auto& batches : {shuffled_batches(text, 54, Rng(1)), batches_in_order(text, 54)}) {
    std::vector<int> seen;
    for (const auto& batch : batches) {
      int tokens = 0;
      for (const int i : batch) tokens += text.tokens(i);
      EXPECT_LE(tokens, 54);
      seen.insert(seen.end(), batch.begin(), batch.end());
    }
    std::sort(seen.begin(), seen.end());
    EXPECT_EQ(seen, every(text));
  }
  EXPECT_EQ(batches_in_order(text, 1).size(), static_cast<size_t>(text.count()));
  EXPECT_NE(shuffled_batches(text, 54, Rng(1)), shuffled_batches(text, 54, Rng(2)));
}

}  // namespace
}  // namespace attune
