#include "attune/text/unicode.h"

#include <algorithm>
#include <cassert>
#include <iterator>

#include "attune/text/unicode_tables.h"

namespace attune {
namespace {

constexpr char32_t escape_base = 0xDC00;  // + byte, for bytes that are not UTF-8
constexpr char32_t capital_sigma = 0x3A3, small_sigma = 0x3C3, final_sigma = 0x3C2;
constexpr char32_t capital_i_with_dot = 0x130, combining_dot_above = 0x307;

unsigned char byte_at(std::string_view text, size_t position) {
  return static_cast<unsigned char>(text[position]);
}

// The number of bytes of the well-formed code point at `position`, 0 when there is none (Unicode 15, table 3-7).
int sequence_length(std::string_view text, size_t position) {
  const unsigned char lead = byte_at(text, position);
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const int length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (text.size() - position < static_cast<size_t>(length)) return 0;
  // Only the second byte has narrower bounds: they keep out overlong forms, surrogates and what is above U+10FFFF.
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte_at(text, position + 1) < low || byte_at(text, position + 1) > high) return 0;
  for (int i = 2; i < length; ++i) {
    if ((byte_at(text, position + static_cast<size_t>(i)) & 0xC0) != 0x80) return 0;
  }
  return length;
}

template <size_t size>
bool contains(const unicode_tables::Range (&ranges)[size], char32_t code_point) {
  const auto* after =
      std::upper_bound(std::begin(ranges), std::end(ranges), code_point,
                       [](char32_t value, const unicode_tables::Range& range) { return value < range.first; });
  return after != std::begin(ranges) && code_point <= std::prev(after)->last;
}

// The lower case of one code point where that is one code point too and does not depend on its neighbours.
char32_t simple_lowercase(char32_t code_point) {
  if (code_point < 0x80) return code_point >= 'A' && code_point <= 'Z' ? code_point + 32 : code_point;
  const auto& runs = unicode_tables::case_runs;
  const auto* after =
      std::upper_bound(std::begin(runs), std::end(runs), code_point,
                       [](char32_t value, const unicode_tables::CaseRun& run) { return value < run.first; });
  if (after == std::begin(runs)) return code_point;
  const unicode_tables::CaseRun& run = *std::prev(after);
  if (code_point > run.last || (code_point - run.first) % run.stride != 0) return code_point;
  return static_cast<char32_t>(static_cast<int32_t>(code_point) + run.delta);
}

// Unicode 15, section 3.13, Final_Sigma: a cased letter before, none behind, looking through ignorable ones.
bool is_final_sigma(const std::u32string& text, size_t position) {
  size_t before = position;
  while (before > 0 && contains(unicode_tables::ignorable, text[before - 1])) --before;
  if (before == 0 || !contains(unicode_tables::cased, text[before - 1])) return false;
  size_t behind = position + 1;
  while (behind < text.size() && contains(unicode_tables::ignorable, text[behind])) ++behind;
  return behind == text.size() || !contains(unicode_tables::cased, text[behind]);
}

}  // namespace

bool valid_utf8(std::string_view text, size_t* first_bad) {
  for (size_t position = 0; position < text.size();) {
    const int length = sequence_length(text, position);
    if (length == 0) {
      if (first_bad != nullptr) *first_bad = position;
      return false;
    }
    position += static_cast<size_t>(length);
  }
  return true;
}

char32_t next_code_point(std::string_view text, size_t& position) {
  assert(position < text.size());
  const char32_t lead = byte_at(text, position);
  const int length = sequence_length(text, position);
  if (length <= 1) {
    ++position;
    return length == 1 ? lead : escape_base + lead;
  }
  char32_t code_point = lead & (0xFFU >> (length + 1));
  for (int i = 1; i < length; ++i) {
    code_point = code_point << 6 | (byte_at(text, position + static_cast<size_t>(i)) & 0x3FU);
  }
  position += static_cast<size_t>(length);
  return code_point;
}

void append_code_point(std::string& text, char32_t code_point) {
  const auto continuation = [&](int shift) {
    text.push_back(static_cast<char>(0x80 | ((code_point >> shift) & 0x3F)));
  };
  if (code_point < 0x80) {
    text.push_back(static_cast<char>(code_point));
  } else if (code_point >= escape_base + 0x80 && code_point <= escape_base + 0xFF) {
    text.push_back(static_cast<char>(code_point - escape_base));
  } else if (code_point < 0x800) {
    text.push_back(static_cast<char>(0xC0 | code_point >> 6));
    continuation(0);
  } else if (code_point < 0x10000) {
    text.push_back(static_cast<char>(0xE0 | code_point >> 12));
    continuation(6);
    continuation(0);
  } else {
    text.push_back(static_cast<char>(0xF0 | code_point >> 18));
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

std::u32string decode_utf8(std::string_view text) {
  std::u32string code_points;
  code_points.reserve(text.size());
  for (size_t position = 0; position < text.size();) code_points.push_back(next_code_point(text, position));
  return code_points;
}

std::string encode_utf8(std::u32string_view code_points) {
  std::string text;
  text.reserve(code_points.size());
  for (const char32_t code_point : code_points) append_code_point(text, code_point);
  return text;
}

size_t count_code_points(std::string_view text) {
  size_t count = 0;
  for (size_t position = 0; position < text.size(); ++count) next_code_point(text, position);
  return count;
}

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

std::vector<std::string_view> split_whitespace(std::string_view text) {
  std::vector<std::string_view> words;
  size_t begin = 0;
  for (size_t position = 0; position < text.size();) {
    const size_t start = position;
    if (!is_space(next_code_point(text, position))) continue;
    if (start > begin) words.push_back(text.substr(begin, start - begin));
    begin = position;
  }
  if (begin < text.size()) words.push_back(text.substr(begin));
  return words;
}

std::string_view trim_right(std::string_view text) {
  while (!text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && text.size() - start < 4 && (byte_at(text, start) & 0xC0) == 0x80) --start;
    size_t end = start;
    if (!is_space(next_code_point(text, end)) || end != text.size()) break;
    text.remove_suffix(text.size() - start);
  }
  return text;
}

std::string lowercase(std::string_view text) {
  const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  std::string lower;
  if (ascii) {
    lower.assign(text);
    for (char& c : lower) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    return lower;
  }
  const std::u32string code_points = decode_utf8(text);
  lower.reserve(text.size());
  for (size_t i = 0; i < code_points.size(); ++i) {
    const char32_t code_point = code_points[i];
    if (code_point == capital_sigma) {
      append_code_point(lower, is_final_sigma(code_points, i) ? final_sigma : small_sigma);
    } else if (code_point == capital_i_with_dot) {
      append_code_point(lower, 'i');
      append_code_point(lower, combining_dot_above);
    } else {
      append_code_point(lower, simple_lowercase(code_point));
    }
  }
  return lower;
}

}  // namespace attune
