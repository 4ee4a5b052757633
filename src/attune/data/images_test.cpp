#include "attune/data/images.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

#include "attune/base/error_of_test.h"

namespace attune {
namespace {

using testing::error_of;
using Bytes = std::vector<uint8_t>;

// An idx file's bytes: its sizes, then the values 0, 1, 2, ...
std::string idx(const std::vector<int>& sizes, int values, int type = 8) {
  std::string bytes{'\0', '\0', static_cast<char>(type), static_cast<char>(sizes.size())};
  for (const int size : sizes) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      bytes += static_cast<char>(size >> shift);
    }
  }
  for (int i = 0; i < values; ++i) {
    bytes += static_cast<char>(i);
  }
  return bytes;
}

class IdxFiles : public ::testing::Test {
 protected:
  IdxFiles() : directory_(std::filesystem::temp_directory_path() / ("attune_images_" + std::to_string(getpid()))) {
    std::filesystem::create_directories(directory_);
  }
  ~IdxFiles() override { std::filesystem::remove_all(directory_); }

  std::string plain(const std::string& content, const std::string& name = "file") const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }
  std::string gzip(const std::string& content) const {
    gzFile file = gzopen(path("gz").c_str(), "wb");
    gzwrite(file, content.data(), static_cast<unsigned>(content.size()));
    gzclose(file);
    return path("gz");
  }
  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  std::string complaint(const std::string& content) const {
    const std::string file = plain(content), message = error_of([&] { read_images(file); });
    return message.starts_with(file) ? message.substr(file.size()) : "not about the file: " + message;
  }

 private:
  std::filesystem::path directory_;
};

TEST_F(IdxFiles, images_come_from_plain_and_gzip_files_alike) {
  for (const std::string& file : {plain(idx({2, 3, 2}, 12)), gzip(idx({2, 3, 2}, 12))}) {
    const Images images = read_images(file);
    EXPECT_EQ(images.count, 2);
    EXPECT_EQ(images.height, 3);
    EXPECT_EQ(images.width, 2);
    EXPECT_EQ(images.channels, 1);
    const auto second = images.image(1);
    EXPECT_EQ(Bytes(second.begin(), second.end()), (Bytes{6, 7, 8, 9, 10, 11}));
  }
  EXPECT_EQ(read_images(plain(idx({1, 2, 2, 3}, 12))).channels, 3);
}

TEST_F(IdxFiles, labels_belong_to_images_and_are_numbers) {
  const std::string images = plain(idx({3, 1, 1}, 3), "images"), labels = plain(idx({3}, 3), "labels");
  const LabelledImages read = read_labelled_images(images, labels);
  EXPECT_EQ(read.labels, (std::vector<std::string>{"0", "1", "2"}));
  EXPECT_EQ(error_of([&] {
              label_ids(read, Labels::of(std::vector<std::string>{"0", "1"}), "labels");
            }),
            "labels: image 2: the label \"2\" does not occur in the training data, whose labels are 0, 1");
  const std::string fewer = plain(idx({2}, 2), "fewer");
  EXPECT_EQ(error_of([&] { read_labelled_images(images, fewer); }),
            images + " has 3 images and " + fewer + " has 2 labels; each image needs its label");
  EXPECT_EQ(error_of([&] { read_labelled_images(images, images); }),
            images + ": byte 3: expected labels of 1 axis, got 3 axes");
}

TEST_F(IdxFiles, what_is_no_idx_file_of_images_is_named_with_its_byte) {
  EXPECT_EQ(complaint(""), ": expected the 4 bytes of an idx file's magic number, the file has 0");
  EXPECT_EQ(complaint(std::string("\0\0\x08", 3)),
            ": expected the 4 bytes of an idx file's magic number, the file has 3");
  EXPECT_EQ(complaint("PNG picture"), ": byte 0: expected an idx file (it begins with two zero bytes), got 80 and 78");
  EXPECT_EQ(complaint(idx({1, 1, 1}, 4, 0x0D)),
            ": byte 2: expected unsigned bytes (type 8) in an idx file, got type 13");
  EXPECT_EQ(complaint(idx({4}, 4)),
            ": byte 3: expected images of 3 axes (image, row, column) or 4 (and channel), got 1 axis");
  EXPECT_EQ(complaint(idx({2, 0, 2}, 0)), ": byte 8: axis 1 has size 0, expected 1 to 2147483647");
  EXPECT_EQ(complaint(idx({2, -1, 2}, 0)), ": byte 8: axis 1 has size 4294967295, expected 1 to 2147483647");
}

TEST_F(IdxFiles, a_file_shorter_or_longer_than_its_sizes_say_is_refused) {
  EXPECT_EQ(complaint(idx({2, 3, 2}, 12).substr(0, 14)),
            ": byte 12: expected the size of axis 2 of 3, the file ends after 14 bytes");
  EXPECT_EQ(complaint(idx({2, 3, 2}, 11)), ": cut short: its header says 12 bytes behind byte 16, found 11");
  EXPECT_EQ(complaint(idx({2, 3, 2}, 13)), ": byte 28: its header says 12 bytes behind byte 16, but more follow");
  EXPECT_EQ(complaint(idx({1 << 30, 1000, 1}, 5)),  // no terabyte is allocated for what is not there
            ": cut short: its header says 1073741824000 bytes behind byte 16, found 5");
  EXPECT_EQ(complaint(idx({1 << 30, 1 << 30, 1 << 30}, 5)), ": its sizes make more than 1099511627776 bytes");
}

}  // namespace
}  // namespace attune
