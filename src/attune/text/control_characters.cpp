#include "attune/text/control_characters.h"

#include <cstdio>

#include "attune/text/unicode.h"

namespace attune {

namespace {

constexpr char32_t delete_character = 0x7F, pictures = 0x2400, picture_of_delete = 0x2421;

bool within(char32_t c, char32_t first, char32_t last) {
  return c >= first && c <= last;
}

bool acts_unseen(char32_t c) {
  return within(c, 0x80, 0x9F) || c == 0x061C || within(c, 0x200E, 0x200F) || within(c, 0x2028, 0x202E) ||
         within(c, 0x2066, 0x2069) || c == 0xFEFF;
}

}  // namespace

std::string with_visible_controls(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_code_point(text, at);
    if (c < 0x20) {
      append_code_point(result, pictures + c);
    } else if (c == delete_character) {
      append_code_point(result, picture_of_delete);
    } else if (acts_unseen(c)) {
      char name[16];
      std::snprintf(name, sizeof name, "<U+%04X>", static_cast<unsigned>(c));
      result += name;
    } else {
      append_code_point(result, c);
    }
  }
  return result;
}

}  // namespace attune
