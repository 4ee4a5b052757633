#include <gtest/gtest.h>

#include <atomic>
#include <string_view>
#include <vector>

#include "attune/base/check.h"
#include "attune/base/checksum.h"
#include "attune/base/parallel.h"
#include "attune/base/rng.h"

namespace attune {
namespace {

TEST(Check, message_parts_are_concatenated) {
  try {
    check(false, "kv heads (", 3, ") must divide heads (", 8, ")");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "kv heads (3) must divide heads (8)");
  }
}

TEST(Checksum, is_the_crc_32_of_gzip_in_parts_and_as_a_whole) {
  const std::string_view text = "123456789";
  Checksum whole, parts;
  whole.add(text.data(), 9);
  parts.add(text.data(), 4);
  parts.add(text.data() + 4, 0);
  parts.add(text.data() + 4, 5);
  EXPECT_EQ(whole.value(), 0xCBF43926U);  // the check value of CRC-32/ISO-HDLC
  EXPECT_EQ(parts.value(), whole.value());
  EXPECT_EQ(Checksum().value(), 0U);
}

// Interrupted runs hold such values: their bytes must stay.
TEST(Checksum, of_a_list_is_of_its_length_in_64_bits_and_its_values) {
  const std::vector<int> values{7, -2};
  Checksum list, bytes, parted;
  list.add_list(values);
  bytes.add("\2\0\0\0\0\0\0\0\7\0\0\0\xFE\xFF\xFF\xFF", 16);
  EXPECT_EQ(list.value(), bytes.value());
  parted.add_list(std::span(values).first(1));
  parted.add_list(std::span(values).last(1));
  EXPECT_NE(parted.value(), list.value());
}

TEST(Rng, streams_are_reproducible_and_differ) {
  const Rng a(1);
  EXPECT_EQ(a.stream("x").bits(7), Rng(1).stream("x").bits(7));
  EXPECT_NE(a.stream("x").bits(7), a.stream("y").bits(7));
  EXPECT_NE(a.stream("x").bits(7), Rng(2).stream("x").bits(7));
  EXPECT_NE(a.stream(1).bits(7), a.stream(2).bits(7));
}

TEST(Rng, uniform_and_normal_have_their_moments) {
  const Rng rng = Rng(3).stream("moments");
  const int n = 200000;
  double mean = 0, square = 0, normal_mean = 0, normal_square = 0;
  for (int i = 0; i < n; ++i) {
    const double u = rng.uniform(i), z = rng.normal(i);
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    mean += u / n, square += u * u / n, normal_mean += z / n, normal_square += z * z / n;
  }
  EXPECT_NEAR(mean, 0.5, 0.005);
  EXPECT_NEAR(square, 1.0 / 3, 0.005);
  EXPECT_NEAR(normal_mean, 0.0, 0.01);
  EXPECT_NEAR(normal_square, 1.0, 0.02);
}

TEST(Rng, shuffle_is_a_permutation) {
  std::vector<int> items(100);
  for (int i = 0; i < 100; ++i) items[i] = i;
  shuffle(std::span(items), Rng(5));
  std::vector<int> seen(100, 0);
  for (int i : items) ++seen[i];
  EXPECT_EQ(seen, std::vector<int>(100, 1));
  EXPECT_NE(items[0] * 100 + items[1], 1);
}

TEST(ParallelFor, every_index_is_visited_once_and_exceptions_reach_the_caller) {
  for (int count : {0, 1, 2, 7, 1000}) {
    std::vector<std::atomic<int>> visits(count);
    parallel_for(count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) ++visits[i];
    });
    parallel_items(count, [&](int64_t i) { ++visits[i]; });
    for (auto& v : visits) EXPECT_EQ(v, 2);
  }
  EXPECT_THROW(parallel_for(100, 1, [](int64_t, int64_t) { fail("inside"); }), Error);
  EXPECT_THROW(parallel_items(100, [](int64_t) { fail("inside"); }), Error);
}

}  // namespace
}  // namespace attune
