#include "attune/tensor/safetensors.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "attune/tensor/atomic_file.h"

namespace attune {
namespace {

namespace fs = std::filesystem;
using Named = std::vector<std::pair<std::string, Tensor>>;

class Safetensors : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = (fs::is_directory("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path()) /
                 ("attune_safetensors_" + std::to_string(::getpid()));
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }
  std::string path(const char* name = "x.safetensors") const { return (directory_ / name).string(); }

  // A file with this header and so many zero bytes behind it.
  std::string with_header(const std::string& header, size_t buffer_bytes) const {
    uint64_t length = header.size();
    std::string content(8, '\0');
    std::memcpy(content.data(), &length, 8);
    return content + header + std::string(buffer_bytes, '\0');
  }
  void put(const std::string& content) const { std::ofstream(path(), std::ios::binary) << content; }
  void refuses(const std::string& content, const std::string& expected) const {
    put(content);
    try {
      read_safetensors(path());
      ADD_FAILURE() << "accepted what should fail with: " << expected;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(path()), std::string::npos) << "names no file: " << error.what();
    }
  }

  fs::path directory_;
};

TEST_F(Safetensors, reads_back_what_it_wrote) {
  Tensor flags = Tensor::zeros({3}, DType::boolean);
  flags.storage()->data()[1] = std::byte{1};
  const Named tensors = {{"w", Tensor::of<float>({2, 3}, {1, -2, 3.5F, 0, 1e-30F, 7})},
                         {"double", Tensor::of<double>({1}, {0.1})},
                         {"scalar", Tensor::scalar(4)},
                         {"empty", Tensor::zeros({0, 5})},
                         {"half", Tensor::full({5}, 1.5, DType::bfloat16)},
                         {"ids", Tensor::of<int32_t>({2}, {-1, 1 << 30})},
                         {"flags", flags}};
  write_safetensors(path(), tensors, {{"format", "pt"}, {"update", "12"}});
  std::map<std::string, std::string> metadata;
  const auto read = read_safetensors(path(), &metadata);
  EXPECT_EQ(metadata, (std::map<std::string, std::string>{{"format", "pt"}, {"update", "12"}}));
  ASSERT_EQ(read.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const Tensor& back = read.at(name);
    EXPECT_EQ(back.shape(), tensor.shape()) << name;
    ASSERT_EQ(back.dtype(), tensor.dtype()) << name;
    EXPECT_EQ(std::memcmp(back.storage()->data(), tensor.storage()->data(),
                          static_cast<size_t>(tensor.elements() * bytes_of(tensor.dtype()))),
              0)
        << name;
  }
  EXPECT_EQ(read_safetensors_header(path()).at("w").shape, Shape({2, 3}));
  EXPECT_FALSE(fs::exists(path() + ".tmp"));
}

TEST_F(Safetensors, bytes_do_not_depend_on_the_order_given) {
  const Tensor a = Tensor::of<float>({2}, {1, 2}), b = Tensor::of<double>({1}, {3});
  const Named one = {{"a", a}, {"b", b}}, other = {{"b", b}, {"a", a}};
  write_safetensors(path(), one);
  const std::string first = read_file(path());
  write_safetensors(path(), other);
  EXPECT_EQ(first, read_file(path()));
  uint64_t length = 0;
  std::memcpy(&length, first.data(), 8);
  EXPECT_EQ(length % 8, 0U);
  EXPECT_EQ(first[8], '{');
}

TEST_F(Safetensors, strided_tensors_are_written_in_row_order) {
  const Tensor whole = Tensor::of<float>({2, 3}, {0, 1, 2, 3, 4, 5});
  const Named tensors = {{"part", whole.columns_view(1, 2)}};
  write_safetensors(path(), tensors);
  const Tensor back = read_safetensors(path()).at("part");
  const std::vector<float> values(back.data<float>().begin(), back.data<float>().end());
  EXPECT_EQ(values, (std::vector<float>{1, 2, 4, 5}));
}

TEST_F(Safetensors, equal_names_are_refused_when_writing) {
  const Named tensors = {{"a", Tensor::scalar(1)}, {"a", Tensor::scalar(2)}};
  EXPECT_THROW(write_safetensors(path(), tensors), Error);
  EXPECT_FALSE(fs::exists(path()));
}

TEST_F(Safetensors, damaged_lengths_are_refused) {
  refuses("", "0 bytes");
  refuses("1234567", "7 bytes");
  const std::string good = with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4);
  for (const uint64_t length : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 31, ~uint64_t{0}, uint64_t{100'000'001}}) {
    std::string damaged = good;
    std::memcpy(damaged.data(), &length, 8);
    refuses(damaged, "claims a header of " + std::to_string(length));
  }
  refuses(good + "x", "trailing bytes");
  refuses(good.substr(0, good.size() - 1), "truncated");
  put(good);
  EXPECT_EQ(read_safetensors(path()).size(), 1U);
}

TEST_F(Safetensors, reads_from_memory_what_it_reads_from_a_file) {
  const Named tensors = {{"a", Tensor::of<float>({3}, {1, 2, 3})}, {"b", Tensor::zeros({0, 2})}};
  write_safetensors(path(), tensors, {{"format", "pt"}});
  const std::string bytes = read_file(path());
  std::map<std::string, std::string> metadata;
  const auto read = read_safetensors_bytes(bytes, "memory", &metadata);
  ASSERT_EQ(read.size(), 2U);
  EXPECT_EQ(read.at("a").data<float>()[2], 3);
  EXPECT_EQ(read.at("b").shape(), Shape({0, 2}));
  EXPECT_EQ(metadata.at("format"), "pt");
  try {
    read_safetensors_bytes(std::string_view(bytes).substr(0, bytes.size() - 1), "memory");
    ADD_FAILURE() << "accepted a truncated buffer";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).rfind("memory: ", 0), 0U) << error.what();
  }
}

TEST_F(Safetensors, every_truncation_is_refused) {
  const Named tensors = {{"a", Tensor::of<float>({3}, {1, 2, 3})}, {"b", Tensor::scalar(1)}};
  write_safetensors(path("good"), tensors);
  const std::string good = read_file(path("good"));
  for (size_t size = 0; size < good.size(); ++size) {
    put(good.substr(0, size));
    EXPECT_THROW(read_safetensors(path()), Error) << size;
  }
}

TEST_F(Safetensors, damaged_headers_are_refused) {
  refuses(with_header("[1]", 0), "does not start with '{'");
  refuses(with_header(R"({"a":)", 0), "not valid JSON");
  refuses(with_header("{\"\xff\":{}}", 0), "not valid JSON");
  refuses(with_header(R"({"a":1})", 0), "expected {dtype, shape, data_offsets}");
  refuses(with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4), "expected {dtype");
  refuses(with_header(R"({"a":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}})", 2), "'F16' is not supported");
  refuses(with_header(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4), "whole numbers");
  refuses(with_header(R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4), "whole numbers");
  refuses(with_header(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1],"data_offsets":[0,4]}})", 4), "at most 5");
  refuses(with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4), "takes 8 bytes");
  refuses(with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4), "data_offsets say");
  refuses(with_header(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,0]}})", 0),
          "more elements than can be addressed");
  // No elements, yet strides that no integer holds.
  refuses(with_header(R"({"a":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}})", 0),
          "more elements than can be addressed");
  refuses(with_header(R"({"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}})", 8),
          "truncated");
  refuses(with_header(R"({"a":[[[[[[]]]]]]})", 0), "nested more than 3 deep");
  refuses(with_header(R"({"__metadata__":{"a":1}})", 0), "must be text");
}

TEST_F(Safetensors, holes_and_overlaps_are_refused) {
  refuses(with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8), "leaving a hole");
  refuses(with_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                      R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                      12),
          "inside the one before it");
}

TEST_F(Safetensors, duplicate_names_are_refused) {
  refuses(with_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                      R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                      8),
          R"(the key "a" occurs twice)");
  refuses(with_header(R"({"a":{"dtype":"F32","shape":[1],"dtype":"F32","data_offsets":[0,4]}})", 4),
          R"(the key "dtype" occurs twice)");
  refuses(with_header(R"({"a":[{}],"a":1})", 0), R"(the key "a" occurs twice)");
}

TEST_F(Safetensors, a_bool_other_than_0_and_1_is_refused) {
  std::string content = with_header(R"({"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", 2);
  content.back() = 2;
  refuses(content, "other than 0 and 1");
}

TEST_F(Safetensors, missing_files_and_directories_are_named) {
  EXPECT_THROW(read_safetensors(path("missing")), Error);
  EXPECT_THROW(read_safetensors(directory_.string()), Error);
  const Named tensors = {{"a", Tensor::scalar(1)}};
  EXPECT_THROW(write_safetensors(path("no/such/directory"), tensors), Error);
}

TEST_F(Safetensors, an_uncommitted_file_leaves_the_old_one) {
  put("old");
  {
    AtomicFile file(path());
    file.write("new");
  }
  EXPECT_EQ(read_file(path()), "old");
  EXPECT_FALSE(fs::exists(path() + ".tmp"));
  write_file_atomically(path(), "new");
  EXPECT_EQ(read_file(path()), "new");
}

}  // namespace
}  // namespace attune
