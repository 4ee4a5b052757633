#include "attune/data/labelled_text.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

#include "attune/base/error_of_test.h"

namespace attune {
namespace {

using testing::error_of;
using Strings = std::vector<std::string>;

class LabelledFiles : public ::testing::Test {
 protected:
  LabelledFiles() : directory_(std::filesystem::temp_directory_path() / ("attune_labels_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(directory_);
  }
  ~LabelledFiles() override { std::filesystem::remove_all(directory_); }

  std::string plain(const std::string& content) const {
    std::ofstream(path("file"), std::ios::binary) << content;
    return path("file");
  }
  std::string gzip(const std::string& content) const {
    gzFile file = gzopen(path("file").c_str(), "wb");
    gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
    gzclose(file);
    return path("file");
  }
  std::string path(const std::string& name) const { return (directory_ / name).string(); }

  // What reading it says behind the file's name.
  template <class Read>
  std::string complaint(const std::string& content, Read read) const {
    const std::string file = plain(content), message = error_of([&] { read(file); });
    return message.starts_with(file) ? message.substr(file.size()) : "not about the file: " + message;
  }

 private:
  std::filesystem::path directory_;
};

TEST_F(LabelledFiles, texts_and_labels_come_from_plain_and_gzip_files_alike) {
  const std::string content = "gute Laune\t1\r\n\t0\nein Satz ohne Ende\tpos";
  for (const std::string& file : {plain(content), gzip(content)}) {
    const LabelledText text = read_labelled_text(file);
    EXPECT_EQ(text.texts, (Strings{"gute Laune", "", "ein Satz ohne Ende"}));
    EXPECT_EQ(text.labels, (Strings{"1", "0", "pos"}));
  }
}

TEST_F(LabelledFiles, a_line_that_is_not_text_and_label_is_named) {
  const auto read = [](const std::string& file) { read_labelled_text(file); };
  EXPECT_EQ(complaint("a\t1\nb 0\n", read), ":2: expected text<TAB>label, got no tab");
  EXPECT_EQ(complaint("a\tb\t1\n", read), ":1: expected text<TAB>label, got more than one tab");
  EXPECT_EQ(complaint("a\t1\nb\t \n", read), ":2: expected text<TAB>label, got no label behind the tab");
  EXPECT_EQ(complaint("a\t1\n\n", read), ":2: expected text<TAB>label, got no tab");
  EXPECT_EQ(complaint("", read), ": expected at least one line of text<TAB>label, the file is empty");
}

TEST_F(LabelledFiles, sentences_of_words_and_tags_end_with_blank_lines) {
  const std::string content = "\nEU\tB-ORG\nrejects\tO\n\n \nPeter B-PER\nBlackburn I-PER";
  for (const std::string& file : {plain(content), gzip(content)}) {
    const std::vector<TaggedSentence> sentences = read_tagged_text(file);
    ASSERT_EQ(sentences.size(), 2U);
    EXPECT_EQ(sentences[0].words, (Strings{"EU", "rejects"}));
    EXPECT_EQ(sentences[0].tags, (Strings{"B-ORG", "O"}));
    EXPECT_EQ(sentences[0].line, 2);
    EXPECT_EQ(sentences[1].words, (Strings{"Peter", "Blackburn"}));
    EXPECT_EQ(sentences[1].tags, (Strings{"B-PER", "I-PER"}));
    EXPECT_EQ(sentences[1].line, 6);
  }
}

TEST_F(LabelledFiles, a_line_that_is_not_two_columns_is_named) {
  const auto read = [](const std::string& file) { read_tagged_text(file); };
  const std::string expected = "expected word<TAB>tag (or a blank between them; a blank line ends a sentence), ";
  EXPECT_EQ(complaint("a O\nb\n", read), ":2: " + expected + "got 1 column");
  EXPECT_EQ(complaint("a NN B-NP O\n", read), ":1: " + expected + "got 4 columns");
  EXPECT_EQ(complaint("a\tNN\tO\n", read), ":1: " + expected + "got 3 columns");
  EXPECT_EQ(complaint("a\t\n", read), ":1: " + expected + "got \"\" as the tag");
  EXPECT_EQ(complaint("two words\tO\n", read), ":1: " + expected + "got \"two words\" as the word");
  EXPECT_EQ(complaint("\n\n", read), ": expected at least one line of word<TAB>tag, the file has none");
}

TEST_F(LabelledFiles, labels_are_in_order_whole_numbers_by_value) {
  EXPECT_EQ(Labels::of(Strings{"10", "9", "0", "9"}).names(), (Strings{"0", "9", "10"}));
  EXPECT_EQ(Labels::of(Strings{"pos", "neg", "10", "9"}).names(), (Strings{"10", "9", "neg", "pos"}));
  const Labels labels = Labels::of(Strings{"10", "9", "0"});
  EXPECT_EQ(labels.find("10"), 2);
  EXPECT_EQ(labels.find("1"), -1);
}

TEST_F(LabelledFiles, labels_come_back_from_their_file) {
  const Labels labels(Strings{"B-PER", "O", "I-PER"}, "here");
  save_labels(path("labels.txt"), labels);
  EXPECT_EQ(load_labels(path("labels.txt")).names(), labels.names());
  EXPECT_EQ(complaint("a\nb\na\n", [](const std::string& file) { load_labels(file); }),
            ": the label \"a\" occurs twice");
  EXPECT_EQ(complaint("a\n\n", [](const std::string& file) { load_labels(file); }),
            ": a label must be text within one line, got \"\"");
}

TEST_F(LabelledFiles, a_label_that_was_not_seen_in_training_is_named_with_its_line) {
  const LabelledText text{{"a", "b"}, {"neg", "neutral"}};
  const Labels labels = Labels::of(Strings{"neg", "pos"});
  EXPECT_EQ(error_of([&] { label_ids(text, labels, "dev.tsv"); }),
            "dev.tsv:2: the label \"neutral\" does not occur in the training data, whose labels are neg, pos");
  const std::vector<TaggedSentence> sentences{{{"a"}, {"O"}, 1}, {{"b", "c"}, {"O", "B-X"}, 3}};
  EXPECT_EQ(error_of([&] { label_ids(sentences, Labels::of(Strings{"O"}), "dev.tags"); }),
            "dev.tags:4: the label \"B-X\" does not occur in the training data, whose labels are O");
  EXPECT_EQ(label_ids(sentences, labels_of(sentences), "dev.tags"), (std::vector<std::vector<int>>{{1}, {1, 0}}));
}

}  // namespace
}  // namespace attune
