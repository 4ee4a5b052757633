#include "attune/inspect/svg.h"

#include "attune/text/unicode.h"

namespace attune {

double text_width(const std::string& text, double font_size) {
  constexpr double advance = 0.58;  // of the font's size
  return static_cast<double>(count_code_points(text)) * advance * font_size;
}

}  // namespace attune
