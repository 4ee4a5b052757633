#include "attune/text/tokenizer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <thread>

#include "attune/base/check.h"
#include "attune/base/error_of_test.h"

namespace attune {
namespace {

using testing::error_of;

const std::vector<std::string> german = {
    "Ein großer Hund läuft über die Straße.",
    "Zwei Männer stehen am Herd und bereiten Essen zu.",
    "Ein kleines Mädchen klettert in ein Spielhaus aus Holz.",
    "Übermütige Kinder spielen im Schnee, während die Eltern zusehen.",
    "Die Frau fragt: „Wo ist der Zug nach Köln?“",
    "Ein Mann in einem blauen Hemd steht auf einer Leiter und putzt ein Fenster.",
};
const std::vector<std::string> vietnamese = {
    "Khoa học đằng sau một tiêu đề về khí hậu.",
    "Tôi muốn cho các bạn biết về sự to lớn của những nỗ lực khoa học.",
    "Chúng tôi bay vào ban đêm ở độ cao rất thấp, và đó là một điều kỳ diệu.",
    "Người ta nói rằng trời đẹp thì không nên ở nhà.",
};

TokenizerOptions options_of(TokenizerKind kind, int vocab_size) {
  return {.kind = kind, .vocab_size = vocab_size};
}

bool is_learnt(TokenizerKind kind) {  // SentencePiece's, whose vocabularies have the size that is asked for
  return kind == TokenizerKind::unigram || kind == TokenizerKind::bpe;
}

std::unique_ptr<Tokenizer> trained(TokenizerKind kind, int vocab_size = 90) {
  return Tokenizer::train(std::vector<std::span<const std::string>>{german, vietnamese},
                          options_of(kind, is_learnt(kind) ? vocab_size : 1000));
}

const TokenizerKind all_kinds[] = {TokenizerKind::unigram, TokenizerKind::bpe, TokenizerKind::words,
                                   TokenizerKind::characters, TokenizerKind::bytes};

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// The words that a reader of `text` would count.
int count_words(const std::string& text) {
  std::istringstream stream(text);
  int count = 0;
  for (std::string word; stream >> word;) {
    ++count;
  }
  return count;
}

TEST(Tokenizer, gives_raw_german_and_vietnamese_back) {
  for (TokenizerKind kind : all_kinds) {
    const auto tokenizer = trained(kind);
    for (const auto& lines : {german, vietnamese}) {
      for (const std::string& line : lines) {
        const std::vector<int> ids = tokenizer->encode(line);
        EXPECT_EQ(tokenizer->decode(ids), line) << name_of(kind);
        EXPECT_TRUE(std::all_of(ids.begin(), ids.end(), [](int id) { return id > eos_id; })) << name_of(kind);
      }
    }
  }
}

TEST(Tokenizer, has_unknown_begin_and_end_as_its_only_special_ids) {
  for (TokenizerKind kind : all_kinds) {
    const auto tokenizer = trained(kind);
    EXPECT_EQ(tokenizer->piece(unk_id), "<unk>");
    EXPECT_EQ(tokenizer->piece(bos_id), "<s>");
    EXPECT_EQ(tokenizer->piece(eos_id), "</s>");
    EXPECT_EQ(tokenizer->vocab_size(), is_learnt(kind) ? 90 : tokenizer->vocab_size());
    for (int id = eos_id + 1; id < tokenizer->vocab_size(); ++id) {
      EXPECT_NE(tokenizer->piece(id), "<pad>");
    }
  }
}

// A padding id of 3 would swallow the full stop.
TEST(Tokenizer, treats_the_full_stop_as_an_ordinary_piece_even_when_its_id_is_3) {
  const std::vector<std::string> lines(20, "a . b . c . d . e . f .");
  const auto words = Tokenizer::train(lines, options_of(TokenizerKind::words, 100));
  EXPECT_EQ(words->piece(3), ".");
  EXPECT_EQ(words->encode(". ."), (std::vector<int>{3, 3}));
  EXPECT_EQ(words->decode(std::vector<int>{3, 1, 3, 2}), ". .");

  const std::vector<std::string> glued = {"Hund.", "Katze.", "Maus.", "Haus.", "Tor.", "Rad.", "Zug.", "Bus."};
  const auto pieces = Tokenizer::train(glued, options_of(TokenizerKind::unigram, 24));
  const std::vector<int> ids = pieces->encode("Hund.");
  EXPECT_EQ(pieces->piece(ids.back()), ".");
  EXPECT_EQ(ids.back(), 3);
  EXPECT_EQ(pieces->decode(ids), "Hund.");
}

TEST(Tokenizer, never_makes_special_ids_from_text_that_looks_like_them) {
  for (TokenizerKind kind : all_kinds) {
    const auto tokenizer = trained(kind);
    for (int id : tokenizer->encode("<s> Ein </s> Hund <unk></s> <pad>")) {
      EXPECT_NE(id, bos_id);
      EXPECT_NE(id, eos_id);
    }
  }
  const std::vector<std::string> tagged = {"<s> ein <unk> hund </s>"};
  const auto words = Tokenizer::train(tagged, options_of(TokenizerKind::words, 10));
  EXPECT_EQ(words->vocab_size(), 5);
  EXPECT_EQ(words->encode("<unk> hund"), (std::vector<int>{unk_id, 4}));
}

TEST(Tokenizer, has_pieces_for_masks_where_they_are_asked_for) {
  const std::vector<std::string> lines(40, "Die Katze sieht den Hund.");
  for (const TokenizerKind kind : {TokenizerKind::unigram, TokenizerKind::bpe, TokenizerKind::words}) {
    const TokenizerOptions options{.kind = kind, .vocab_size = 21, .lowercase = true, .mask_pieces = true};
    const auto trained = Tokenizer::train(lines, options);
    const auto loaded = Tokenizer::from_bytes(trained->bytes(), options);
    for (const Tokenizer* tokenizer : {trained.get(), loaded.get()}) {
      EXPECT_EQ(tokenizer->piece(cls_id), "[CLS]");
      EXPECT_EQ(tokenizer->piece(sep_id), "[SEP]");
      EXPECT_EQ(tokenizer->piece(mask_id), mask_text);
      const auto whole = tokenizer->encode("Katze sieht den Hund."),
                 hidden = tokenizer->encode("Katze [MASK] den Hund.");
      EXPECT_EQ(std::count(hidden.begin(), hidden.end(), mask_id), 1);
      // What stands around it is what it would be without it.
      const auto at = std::find(hidden.begin(), hidden.end(), mask_id) - hidden.begin();
      EXPECT_TRUE(std::equal(hidden.begin(), hidden.begin() + at, whole.begin()));
      EXPECT_TRUE(std::equal(hidden.rbegin(), hidden.rend() - at - 1, whole.rbegin()));
      for (const char* text : {"[CLS]", "[SEP]", "[mask]"}) {
        const auto ids = tokenizer->encode(text);
        EXPECT_TRUE(
            std::all_of(ids.begin(), ids.end(), [](int id) { return id == unk_id || id >= first_ordinary_id; }));
      }
    }
    EXPECT_THROW(Tokenizer::from_bytes(Tokenizer::train(lines, {.kind = kind, .vocab_size = 21})->bytes(), options),
                 Error);
    EXPECT_THROW(Tokenizer::train(lines, {.kind = kind, .vocab_size = 6, .mask_pieces = true}), Error);
  }
  const auto plain = Tokenizer::train(lines, {.vocab_size = 21, .mask_pieces = true});
  EXPECT_EQ(plain->encode("[MASK]"), std::vector<int>{mask_id});
  EXPECT_EQ(plain->encode("[MASK] [MASK]"), (std::vector<int>{mask_id, mask_id}));
  const auto dot = plain->encode("Hund [MASK].");
  EXPECT_EQ(dot[dot.size() - 2], mask_id);
  EXPECT_EQ(plain->piece(dot.back()), ".") << "no blank where there is none";
}

TEST(Tokenizer, trains_to_the_same_bytes_twice) {
  for (TokenizerKind kind : all_kinds) {
    EXPECT_EQ(trained(kind)->bytes(), trained(kind)->bytes()) << name_of(kind);
  }
}

TEST(Tokenizer, survives_saving_and_loading) {
  const auto directory = std::filesystem::temp_directory_path() / ("attune_tokenizer_" + std::to_string(getpid()));
  std::filesystem::create_directories(directory);
  for (TokenizerKind kind : all_kinds) {
    const auto tokenizer = trained(kind);
    const std::string path = (directory / ("joint" + std::string(file_ending(kind)))).string();
    tokenizer->save(path);
    const auto loaded = Tokenizer::load(path, options_of(kind, 0));
    EXPECT_EQ(loaded->bytes(), tokenizer->bytes());
    EXPECT_EQ(loaded->encode(german[0]), tokenizer->encode(german[0]));
  }
  EXPECT_TRUE(contains(error_of([&] { Tokenizer::load(directory.string(), {}); }), "got a directory"));
  EXPECT_TRUE(contains(error_of([&] { Tokenizer::load((directory / "none.spm").string(), {}); }), "none.spm"));
  EXPECT_THROW(trained(TokenizerKind::words)->save((directory / "missing" / "x.words").string()), Error);
  std::filesystem::remove_all(directory);
}

TEST(Tokenizer, refuses_a_damaged_sentencepiece_file) {
  const std::string good = trained(TokenizerKind::unigram)->bytes();
  EXPECT_NO_THROW(Tokenizer::from_bytes(good, {}));
  for (size_t at = 3; at < good.size(); at += at < 40 ? 1 : 997) {
    std::string flipped = good;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    EXPECT_THROW(Tokenizer::from_bytes(flipped, {}), Error) << at;
    EXPECT_THROW(Tokenizer::from_bytes(good.substr(0, at), {}), Error) << at;
  }
  EXPECT_THROW(Tokenizer::from_bytes(good + "x", {}), Error);
  for (std::string_view junk : {"", "hello", "<unk>\n<s>\n</s>\nwort\n", "\x89\xE2\x09"}) {
    EXPECT_TRUE(contains(error_of([&] { Tokenizer::from_bytes(junk, {}, "x.spm"); }), "x.spm: ")) << junk;
  }
}

TEST(Tokenizer, takes_a_sentencepiece_model_without_a_checksum) {
  const auto tokenizer = trained(TokenizerKind::bpe);
  const auto foreign = Tokenizer::from_bytes(tokenizer->bytes().substr(11), {});
  EXPECT_EQ(foreign->encode(vietnamese[0]), tokenizer->encode(vietnamese[0]));
}

// Without a checksum nothing but the content tells: SentencePiece would follow such tables out of its memory.
TEST(Tokenizer, refuses_a_foreign_sentencepiece_model_whose_tables_lead_astray) {
  const std::string good = trained(TokenizerKind::unigram)->bytes().substr(11);
  const auto refuse = [](const std::string& bytes) {
    return error_of([&] { Tokenizer::from_bytes(bytes, {}, "x.spm"); });
  };
  const auto replaced = [&](std::string_view part, std::string_view by) {
    std::string bytes = good;
    bytes.replace(bytes.find(part), by.size(), by);
    return bytes;
  };
  // The first piece: field 1 of the model, its text "<unk>" and its score, a float of 0.
  const std::string_view unk("\x0A\x05<unk>\x15\0\0\0\0", 12);
  EXPECT_TRUE(contains(refuse(replaced(unk, std::string_view("\x0A\x05<u\0k>", 7))), "x.spm: piece 0 of")) << "NUL";
  EXPECT_TRUE(contains(refuse(replaced(unk, "\x0A\x05<u\xFFk>")), "x.spm: piece 0 of")) << "UTF-8";
  EXPECT_TRUE(contains(refuse(replaced(unk, std::string_view("\x0A\x05<unk>\x15\0\0\xC0\x7F", 12))), "not finite"));
  // The table of the normaliser: its name, then field 2, the bytes' count in three, the trie's size in four, the trie.
  const size_t table = good.find("nmt_nfkc") + 8 + 1 + 3;
  ASSERT_LT(table, good.size());
  std::string damaged = good;
  damaged.replace(table + 4, 4, "\xFF\xFE\xFF\x7F");  // the root points far away
  EXPECT_TRUE(contains(refuse(damaged), "points outside")) << refuse(damaged);
  damaged.replace(table + 4, 4, std::string_view("\0\x80\x01\xFF", 4));  // so it does where it is marked as a value
  EXPECT_TRUE(contains(refuse(damaged), "points outside")) << refuse(damaged);
  damaged = good;
  damaged[table + 2] = '\x7F';
  EXPECT_TRUE(contains(refuse(damaged), "the sizes of its parts")) << refuse(damaged);
}

TEST(Tokenizer, refuses_a_damaged_word_list_naming_the_line) {
  const auto refuse = [](std::string_view bytes) {
    return error_of([&] { Tokenizer::from_bytes(bytes, options_of(TokenizerKind::words, 0), "v.words"); });
  };
  EXPECT_EQ(refuse("<unk>\n<s>\n</s>\nein\n"), "no error");
  EXPECT_TRUE(contains(refuse("<unk>\n<s>\n</s>\nein\nein\n"), "v.words:5: the word 'ein' stands on line 4"));
  EXPECT_TRUE(contains(refuse("<unk>\n<s>\n</s>\nein\nHu"), "cut short"));
  EXPECT_TRUE(contains(refuse("<unk>\n<s>\n</s>\nein Hund\n"), "v.words:4"));
  EXPECT_TRUE(contains(refuse("<unk>\n<s>\n</s>\n\xff\n"), "v.words:4: not UTF-8"));
  EXPECT_TRUE(contains(refuse("<pad>\n<s>\n</s>\nein\n"), "first three lines"));
  EXPECT_TRUE(contains(refuse(""), "first three lines"));
}

TEST(Tokenizer, names_the_vocabulary_sizes_that_the_text_allows) {
  for (TokenizerKind kind : {TokenizerKind::unigram, TokenizerKind::bpe}) {
    const std::string high = error_of([&] { trained(kind, 100000); });
    ASSERT_TRUE(contains(high, "at most ")) << high;
    const int most = std::stoi(high.substr(high.find("at most ") + 8));
    EXPECT_EQ(trained(kind, most)->vocab_size(), most);
    const std::string low = error_of([&] { trained(kind, 10); });
    ASSERT_TRUE(contains(low, "at least ")) << low;
    const int least = std::stoi(low.substr(low.find("at least ") + 9));
    EXPECT_EQ(trained(kind, least)->vocab_size(), least);
    EXPECT_TRUE(contains(error_of([&] { trained(kind, 3); }), "at least 4"));
  }
}

// SentencePiece's own trainer ends the process on such text.
TEST(Tokenizer, refuses_blank_training_text) {
  for (TokenizerKind kind : all_kinds) {
    for (const std::vector<std::string>& lines :
         {std::vector<std::string>{}, {"", " "}, {"\xC2\xA0", "\xE2\x80\x8B"}, {"\xE2\x96\x81"}}) {
      if (kind == TokenizerKind::bytes || (!is_learnt(kind) && !lines.empty() && lines.back().size() == 3)) {
        continue;  // a zero-width space and U+2581 are words or characters to it; bytes are learnt from nothing
      }
      EXPECT_TRUE(contains(error_of([&] { Tokenizer::train(lines, options_of(kind, 50)); }), "blank"))
          << name_of(kind) << lines.size();
    }
  }
  const std::vector<std::string> han = {"漢字 漢", "字漢字"};  // no ASCII at all, yet text
  EXPECT_EQ(Tokenizer::train(han, options_of(TokenizerKind::unigram, 6))->decode(std::vector{4, 5}).size(), 6U);
}

TEST(Tokenizer, trains_on_lines_of_any_length) {
  std::string line;
  for (int i = 0; i < 3000; ++i) {
    line += "straße zug ";
  }
  const std::vector<std::string> lines = {line};
  EXPECT_EQ(Tokenizer::train(lines, options_of(TokenizerKind::bpe, 16))->vocab_size(), 16);
}

TEST(Tokenizer, lowercases_when_asked_to) {
  for (TokenizerKind kind : all_kinds) {
    TokenizerOptions options = options_of(kind, 70);
    options.lowercase = true;
    const auto tokenizer = Tokenizer::train(german, options);
    EXPECT_EQ(tokenizer->decode(tokenizer->encode("Die Frau ÜBER der Straße")),
              kind == TokenizerKind::words ? "die frau über der <unk>" : "die frau über der straße");
    EXPECT_EQ(Tokenizer::from_bytes(tokenizer->bytes(), options)->encode("Die FRAU"), tokenizer->encode("die frau"));
  }
}

TEST(Tokenizer, maps_pieces_to_the_whitespace_words_they_are_part_of) {
  for (TokenizerKind kind : all_kinds) {
    const auto tokenizer = trained(kind);
    for (const std::string line : {"Ein großer Hund läuft.", "漢字 x漢y Ein ", "Hund", ""}) {
      std::vector<int> ids = tokenizer->encode(line);
      ids.insert(ids.begin(), bos_id);
      ids.push_back(eos_id);
      const std::vector<int> words = tokenizer->word_of_piece(ids);
      ASSERT_EQ(words.size(), ids.size());
      EXPECT_EQ(words.front(), -1);
      EXPECT_EQ(words.back(), -1);
      std::vector<int> of_words = words;
      std::erase(of_words, -1);
      EXPECT_TRUE(std::is_sorted(of_words.begin(), of_words.end()));
      EXPECT_EQ(*std::max_element(words.begin(), words.end()) + 1, count_words(tokenizer->decode(ids))) << line;
      // The pieces of one word alone spell that word.
      std::istringstream stream(tokenizer->decode(ids));
      for (int word = 0; word <= *std::max_element(words.begin(), words.end()); ++word) {
        std::vector<int> mine;
        for (size_t i = 0; i < ids.size(); ++i) {
          if (words[i] == word) {
            mine.push_back(ids[i]);
          }
        }
        std::string expected;
        stream >> expected;
        std::istringstream spelled(tokenizer->decode(mine));
        std::string got;
        spelled >> got;
        EXPECT_EQ(got, expected) << line;
      }
    }
  }
}

// A decoder may emit blanks that no encoder would.
TEST(Tokenizer, counts_lone_blanks_to_the_word_they_open) {
  const auto tokenizer = trained(TokenizerKind::bpe);
  int blank = -1, opening = -1, inner = -1;
  for (int id = eos_id + 1; id < tokenizer->vocab_size(); ++id) {
    const std::string& piece = tokenizer->piece(id);
    (piece == "▁" ? blank : piece.starts_with("▁") ? opening : inner) = id;
  }
  ASSERT_TRUE(blank > 0 && opening > 0 && inner > 0);
  const std::vector<int> ids = {blank,  opening, inner, blank,   blank, inner,
                                bos_id, inner,   blank, opening, blank, eos_id};
  EXPECT_EQ(tokenizer->word_of_piece(ids), (std::vector<int>{0, 0, 0, 1, 1, 1, -1, 1, 2, 2, -1, -1}));
  EXPECT_EQ(count_words(tokenizer->decode(ids)), 3);
}

TEST(Tokenizer, keeps_unknown_text_visible_without_adding_words) {
  EXPECT_EQ(trained(TokenizerKind::unigram)->decode(trained(TokenizerKind::unigram)->encode("Ein 漢x")), "Ein ⁇");
  EXPECT_EQ(trained(TokenizerKind::words)->decode(trained(TokenizerKind::words)->encode("Ein 漢x")), "Ein <unk>");
}

TEST(Tokenizer, refuses_ids_outside_the_vocabulary_and_text_that_is_not_utf8) {
  for (TokenizerKind kind : all_kinds) {
    const auto tokenizer = trained(kind);
    EXPECT_THROW(tokenizer->piece(-1), Error);
    EXPECT_THROW(tokenizer->piece(tokenizer->vocab_size()), Error);
    EXPECT_THROW(tokenizer->decode(std::vector<int>{5, tokenizer->vocab_size()}), Error);
    EXPECT_THROW(tokenizer->word_of_piece(std::vector<int>{-1}), Error);
    EXPECT_TRUE(contains(error_of([&] { tokenizer->encode("Hund \xff"); }), "byte 6"));
  }
  EXPECT_TRUE(contains(error_of([] { tokenizer_kind("sentencepiece"); }), "unigram, bpe, words, characters or bytes"));
  EXPECT_EQ(tokenizer_kind("bpe"), TokenizerKind::bpe);
}

TEST(Tokenizer, encodes_the_same_from_several_threads) {
  for (TokenizerKind kind : all_kinds) {
    const auto tokenizer = trained(kind);
    std::vector<std::vector<std::vector<int>>> results(4);
    std::vector<std::thread> threads;
    for (auto& result : results) {
      threads.emplace_back([&result, &tokenizer] {
        for (int i = 0; i < 200; ++i) {
          result.push_back(tokenizer->encode(german[static_cast<size_t>(i) % german.size()]));
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    for (size_t i = 0; i < 200; ++i) {
      for (const auto& result : results) {
        ASSERT_EQ(result[i], tokenizer->encode(german[i % german.size()]));
      }
    }
  }
}

}  // namespace
}  // namespace attune
