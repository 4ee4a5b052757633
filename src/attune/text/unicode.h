// UTF-8: checks, code points, white space and lower case with the meaning of Python's str.split(), str.rstrip() and
// str.lower(), because the metrics and most tokenizers of the field are defined through them.
//
// Bytes that are not UTF-8 are never lost: each such byte b is read as the lone surrogate U+DC00 + b (as Python's
// "surrogateescape" does) and written back as the byte. valid_utf8 is the place that refuses them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace attune {

// True when `text` is UTF-8 without overlong forms, surrogates and code points above U+10FFFF. Otherwise `first_bad`,
// when given, receives the offset of the first byte that does not belong to a whole code point.
bool valid_utf8(std::string_view text, size_t* first_bad = nullptr);

// Reads the code point that starts at text[position] and moves `position` behind it; position must be < text.size().
char32_t next_code_point(std::string_view text, size_t& position);
void append_code_point(std::string& text, char32_t code_point);

std::u32string decode_utf8(std::string_view text);
std::string encode_utf8(std::u32string_view code_points);
size_t count_code_points(std::string_view text);

bool is_space(char32_t code_point);

// The words between runs of white space; they point into `text`.
std::vector<std::string_view> split_whitespace(std::string_view text);
std::string_view trim_right(std::string_view text);

// Lower case of every script; a capital sigma at the end of a word becomes a final sigma, U+0130 becomes "i" and
// U+0307. Only the text counts, never the locale.
std::string lowercase(std::string_view text);

}  // namespace attune
