#include "attune/text/control_characters.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

TEST(ControlCharacters, become_visible_and_everything_else_stays) {
  EXPECT_EQ(with_visible_controls("a\x1b[31mb\tc\x7f"), "a␛[31mb␉c␡");
  EXPECT_EQ(with_visible_controls("\u202Egnihton\u2069"), "<U+202E>gnihton<U+2069>");
  EXPECT_EQ(with_visible_controls("\u200F\u061C\u0085\u2028\uFEFF"), "<U+200F><U+061C><U+0085><U+2028><U+FEFF>");
  for (const std::string text : {"", "▁mèo", "שלום", "a\u00A0b", "👩‍🔬", "\xFF broken"}) {
    EXPECT_EQ(with_visible_controls(text), text);
  }
}

}  // namespace
}  // namespace attune
