#include "attune/text/unicode.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

namespace attune {
namespace {

const nlohmann::json& golden() {
  static const nlohmann::json json = [] {
    std::ifstream file(ATTUNE_SOURCE_DIR "/tests/goldens/metrics_golden.json");
    return nlohmann::json::parse(file);
  }();
  return json;
}

std::string utf8(char32_t code_point) {
  return encode_utf8(std::u32string(1, code_point));
}

uint64_t fnv1a(const std::string& text) {
  uint64_t value = 0xCBF29CE484222325ULL;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  return value;
}

TEST(Utf8, every_code_point_survives_a_round_trip) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    const std::string text = utf8(c);
    size_t position = 0;
    ASSERT_TRUE(valid_utf8(text)) << std::hex << static_cast<uint32_t>(c);
    ASSERT_EQ(next_code_point(text, position), c);
    ASSERT_EQ(position, text.size());
  }
}

TEST(Utf8, refuses_what_is_not_utf8_and_says_where) {
  const std::vector<std::string> bad = {"\x80",
                                        "\xC0\xAF",
                                        "\xC1\xBF",
                                        "\xE0\x9F\xBF",
                                        "\xED\xA0\x80",
                                        "\xF0\x8F\xBF\xBF",
                                        "\xF4\x90\x80\x80",
                                        "\xF5\x80\x80\x80",
                                        "\xFF",
                                        "\xC3",
                                        "\xE2\x82",
                                        "\xF0\x9F\x98",
                                        "\xC3(",
                                        "\xE2\x82(",
                                        "\xF0\x9F\x98("};
  for (const std::string& bytes : bad) {
    size_t first_bad = 99;
    EXPECT_FALSE(valid_utf8("é" + bytes, &first_bad)) << ::testing::PrintToString(bytes);
    EXPECT_EQ(first_bad, 2U);
  }
  EXPECT_TRUE(valid_utf8(""));
  EXPECT_TRUE(valid_utf8(std::string_view("\0", 1)));
}

TEST(Utf8, bytes_that_are_not_utf8_are_kept_by_every_function) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  EXPECT_EQ(encode_utf8(decode_utf8(all)), all);
  EXPECT_EQ(count_code_points(all), 256U);
  EXPECT_EQ(lowercase("\xC3\x80"
                      "A\xFF\xC3"),
            "\xC3\xA0"
            "a\xFF\xC3");
}

TEST(WhiteSpace, is_pythons) {
  const auto spaces = golden()["spaces"].get<std::vector<uint32_t>>();
  ASSERT_GT(spaces.size(), 20U);
  for (char32_t c = 0; c < 0x110000; ++c) {
    ASSERT_EQ(is_space(c), std::binary_search(spaces.begin(), spaces.end(), static_cast<uint32_t>(c)))
        << std::hex << static_cast<uint32_t>(c);
  }
}

TEST(WhiteSpace, splits_into_words_and_trims_the_end) {
  using Words = std::vector<std::string_view>;
  EXPECT_EQ(split_whitespace(""), Words{});
  EXPECT_EQ(split_whitespace(" \t\n"), Words{});
  EXPECT_EQ(split_whitespace("a"), Words{"a"});
  EXPECT_EQ(split_whitespace("\u3000một  hai\u00A0ba\x1C"), (Words{"một", "hai", "ba"}));
  EXPECT_EQ(trim_right(" a b \u2003\u00A0\r\n"), " a b");
  EXPECT_EQ(trim_right("\u2003 "), "");
  EXPECT_EQ(trim_right("à\xA0"), "à\xA0") << "a lone byte A0 is no white space";
  EXPECT_EQ(trim_right(""), "");
}

TEST(Lowercase, equals_pythons_for_every_code_point_alone_and_beside_sigmas) {
  ASSERT_EQ(golden()["lowercase"].size(), 334U);
  for (const auto& block : golden()["lowercase"]) {
    const auto start = block[0].get<uint32_t>();
    std::string text;
    for (char32_t c = start; c < start + block[1].get<uint32_t>(); ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      const std::string s = utf8(c);
      text += lowercase(s + " A" + s + "Σ " + s + "Σ AΣ" + s + " AΣ" + s + "A ");
    }
    EXPECT_EQ(fnv1a(text), std::stoull(block[2].get<std::string>(), nullptr, 16))
        << "in the block that starts at U+" << std::hex << start;
  }
}

TEST(Lowercase, equals_pythons_on_sigmas_among_letters_and_marks) {
  ASSERT_EQ(golden()["sigma"].size(), 40U);
  for (const auto& pair : golden()["sigma"]) EXPECT_EQ(lowercase(pair[0].get<std::string>()), pair[1]);
}

TEST(Lowercase, knows_the_scripts_of_our_corpora) {
  EXPECT_EQ(lowercase("ÄÖÜẞ TÔI ĐANG Ở HÀ NỘI, ƯỚT ẪM"), "äöüß tôi đang ở hà nội, ướt ẫm");
  EXPECT_EQ(lowercase("МОСКВА ΟΔΥΣΣΕΥΣ"), "москва οδυσσευς");
  EXPECT_EQ(lowercase("İ"), "i\u0307");
  EXPECT_EQ(lowercase("ß 我们 😀"), "ß 我们 😀");
  EXPECT_EQ(lowercase(""), "");
}

}  // namespace
}  // namespace attune
