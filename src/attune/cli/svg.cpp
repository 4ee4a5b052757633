#include "attune/cli/svg.h"

#include "attune/text/unicode.h"

namespace attune::cli {

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

double text_width(const std::string& text, double font_size) {
  constexpr double advance = 0.58;  // of the font's size
  return static_cast<double>(count_code_points(text)) * advance * font_size;
}

}  // namespace attune::cli
