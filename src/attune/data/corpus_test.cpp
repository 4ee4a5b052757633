#include "attune/data/corpus.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "attune/base/check.h"
#include "attune/base/error_of_test.h"

namespace attune {
namespace {

using testing::error_of;

class Corpus : public ::testing::Test {
 protected:
  Corpus() : directory_(std::filesystem::temp_directory_path() / ("attune_corpus_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(directory_);
  }
  ~Corpus() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return (directory_ / name).string(); }

  std::string plain(const std::string& name, const std::string& content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }

  std::string gzip(const std::string& name, const std::string& content) const {
    gzFile file = gzopen(path(name).c_str(), "wb");
    gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
    gzclose(file);
    return path(name);
  }

 private:
  std::filesystem::path directory_;
};

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

using Strings = std::vector<std::string>;

TEST_F(Corpus, reads_plain_and_gzip_files_alike) {
  const std::string text = "Ein großer Hund\r\n\n  Tôi muốn \nohne Ende";
  const Strings expected = {"Ein großer Hund", "", "  Tôi muốn ", "ohne Ende"};
  EXPECT_EQ(read_lines(plain("a.txt", text)), expected);
  EXPECT_EQ(read_lines(gzip("a.gz", text)), expected);
  EXPECT_EQ(read_lines(gzip("named_as_text.txt", text)), expected);
  EXPECT_EQ(read_lines(plain("b.txt", text + "\n")), expected);
  EXPECT_EQ(read_lines(plain("bom.txt", "\xEF\xBB\xBFHund\n\n")), (Strings{"Hund", ""}));
}

TEST_F(Corpus, reads_lines_across_its_chunks) {
  Strings expected;
  std::string text;
  for (int i = 0; i < 60; ++i) {
    expected.push_back(std::string(static_cast<size_t>(i * i * 37 % 40000 + (i == 30 ? 600000 : 0)), 'a') + "ß");
    text += expected.back() + "\n";
  }
  EXPECT_EQ(read_lines(plain("long.txt", text)), expected);
  EXPECT_EQ(read_lines(gzip("long.gz", text)), expected);
}

TEST_F(Corpus, reads_standard_input_as_a_dash) {
  std::istringstream input("eins\r\nzwei\n");
  std::streambuf* const before = std::cin.rdbuf(input.rdbuf());
  const Strings lines = read_lines("-");
  std::cin.rdbuf(before);
  std::cin.clear();
  EXPECT_EQ(lines, (Strings{"eins", "zwei"}));
}

TEST_F(Corpus, counts_lines_and_ends_once) {
  LineReader reader(plain("two.txt", "eins\nzwei\n"));
  EXPECT_EQ(reader.next(), "eins");
  EXPECT_EQ(reader.line(), 1);
  LineReader moved = std::move(reader);
  EXPECT_EQ(moved.next(), "zwei");
  EXPECT_FALSE(moved.next());
  EXPECT_FALSE(moved.next());
  EXPECT_EQ(moved.line(), 2);
}

TEST_F(Corpus, names_file_and_line_of_bad_bytes) {
  const std::string bad = plain("bad.txt", "gut\nHund \xff Katze\n");
  const std::string message = error_of([&] { read_lines(bad); });
  EXPECT_TRUE(contains(message, bad + ":2: not UTF-8 at byte 6")) << message;
  const std::string nul = plain("nul.txt", std::string("gut\ngut\na\0b\n", 12));
  EXPECT_TRUE(contains(error_of([&] { read_lines(nul); }), nul + ":3: NUL character at byte 2"));
}

TEST_F(Corpus, refuses_what_is_not_a_readable_text_file) {
  EXPECT_TRUE(contains(error_of([&] { read_lines(path("none")); }), "no such file"));
  EXPECT_TRUE(contains(error_of([&] { read_lines(path("")); }), "got a directory"));
  EXPECT_TRUE(contains(error_of([&] { read_lines(plain("empty", "")); }), "the file is empty"));
  EXPECT_TRUE(contains(error_of([&] { read_lines(gzip("empty.gz", "")); }), "the file is empty"));
  EXPECT_TRUE(contains(error_of([&] { read_pairs(plain("empty.tsv", "")); }), "the file is empty"));
}

TEST_F(Corpus, refuses_a_gzip_file_that_is_cut_short_or_damaged) {
  std::string text;
  for (int i = 0; i < 5000; ++i) {
    text += "Zeile " + std::to_string(i * 7919 % 10007) + "\n";
  }
  const std::string whole = gzip("whole.gz", text);
  std::ostringstream content;
  content << std::ifstream(whole, std::ios::binary).rdbuf();
  const std::string bytes = content.str();
  for (size_t size : {bytes.size() / 2, bytes.size() - 9, bytes.size() - 1}) {
    const std::string cut = plain("cut.gz", bytes.substr(0, size));
    EXPECT_TRUE(contains(error_of([&] { read_lines(cut); }), cut + ": reading failed")) << size;
  }
  std::string damaged = bytes;
  damaged[bytes.size() - 6] = static_cast<char>(damaged[bytes.size() - 6] ^ 1);  // the checksum
  EXPECT_THROW(read_lines(plain("damaged.gz", damaged)), Error);
}

TEST_F(Corpus, keeps_parallel_files_together) {
  const std::string source = plain("s", "ein\n\nzwei\n");
  const ParallelCorpus corpus = read_parallel(source, gzip("t.gz", "one\ntwo\n\n"));
  EXPECT_EQ(corpus.source, (Strings{"ein", "", "zwei"}));
  EXPECT_EQ(corpus.target, (Strings{"one", "two", ""}));
  const std::string shorter = plain("t", "one\ntwo\n");
  const std::string message = error_of([&] { read_parallel(source, shorter); });
  EXPECT_TRUE(contains(message, source + " has 3 lines and " + shorter + " has 2")) << message;
}

TEST_F(Corpus, reads_pairs_with_exactly_one_tab) {
  const ParallelCorpus corpus = read_pairs(plain("a.tsv", "ein Hund\ta dog\r\n\tx\n"));
  EXPECT_EQ(corpus.source, (Strings{"ein Hund", ""}));
  EXPECT_EQ(corpus.target, (Strings{"a dog", "x"}));
  EXPECT_TRUE(contains(error_of([&] { read_pairs(plain("b.tsv", "a\tb\nc\n")); }), "b.tsv:2: "));
  EXPECT_TRUE(contains(error_of([&] { read_pairs(plain("c.tsv", "a\tb\tc\n")); }), "more than one tab"));
}

TEST_F(Corpus, text_of_several_files_is_as_if_they_were_one) {
  const PlainText whole = read_text({plain("a", "one\n\ntwo"), gzip("b.gz", " more\n"), plain("c", "three")});
  EXPECT_EQ(whole.lines, (Strings{"one", "", "two more", "three"}));
  EXPECT_FALSE(whole.ends_with_line);
  EXPECT_TRUE(read_text({path("b.gz")}).ends_with_line);
  EXPECT_TRUE(contains(error_of([&] { read_text({path("a"), plain("empty", "")}); }), "empty: expected at least one"));
}

}  // namespace
}  // namespace attune
