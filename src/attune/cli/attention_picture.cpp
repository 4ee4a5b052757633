#include "attune/cli/attention_picture.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "attune/base/check.h"
#include "attune/inspect/svg.h"

namespace attune::cli {

namespace {

constexpr int cell = 30, margin = 14, font = 15;
constexpr double slope = 0.7071;  // source words lean by 45 degrees

int longest(const std::vector<std::string>& words) {
  double most = 0;
  for (const std::string& word : words) {
    most = std::max(most, text_width(word, font));
  }
  return static_cast<int>(std::lround(most));
}

// White through blue, evenly by weight.
std::string colour(double weight) {
  const double w = std::clamp(weight, 0.0, 1.0);
  const auto mix = [&](int dark) { return std::lround(255 + w * (dark - 255)); };
  return fmt::format("#{:02x}{:02x}{:02x}", mix(15), mix(61), mix(122));
}

}  // namespace

std::string draw(const AttentionPicture& picture) {
  const WordAttention& attention = picture.attention;
  check(picture.source.size() == static_cast<size_t>(attention.source_words) &&
            picture.output.size() == static_cast<size_t>(attention.target_words),
        "draw: ", picture.source.size(), " x ", picture.output.size(), " words for attention between ",
        attention.source_words, " x ", attention.target_words);
  const int left = margin + longest(picture.output) + 10;
  const int top = margin + static_cast<int>(slope * longest(picture.source)) + font;
  const int width = left + cell * attention.source_words + static_cast<int>(slope * longest(picture.source)) + margin;
  const int height = top + cell * attention.target_words + margin;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
      "font-family=\"sans-serif\" font-size=\"{2}\" fill=\"#1b1f24\">\n<rect width=\"{0}\" height=\"{1}\" "
      "fill=\"#ffffff\"/>\n",
      width, height, font);
  for (size_t j = 0; j < picture.source.size(); ++j) {
    const int x = left + static_cast<int>(j) * cell + cell / 2 + font / 3;
    svg += fmt::format("<text x=\"{0}\" y=\"{1}\" transform=\"rotate(-45 {0} {1})\">{2}</text>\n", x, top - 8,
                       escaped(picture.source[j]));
  }
  for (size_t i = 0; i < picture.output.size(); ++i) {
    const int y = top + static_cast<int>(i) * cell;
    svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", left - 8, y + cell / 2 + font / 3,
                       escaped(picture.output[i]));
    for (size_t j = 0; j < picture.source.size(); ++j) {
      const double weight = attention.weights[i * picture.source.size() + j];
      svg += fmt::format(
          "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\" stroke=\"#d8dee4\"><title>{} looks at {}: "
          "{:.3f}</title></rect>\n",
          left + static_cast<int>(j) * cell, y, cell, cell, colour(weight), escaped(picture.output[i]),
          escaped(picture.source[j]), weight);
    }
  }
  for (const Link& link : picture.gold) {
    svg += fmt::format(
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#d1570a\" stroke-width=\"2\"/>\n",
        left + link.source * cell + 2, top + link.target * cell + 2, cell - 4, cell - 4);
  }
  return svg + "</svg>\n";
}

}  // namespace attune::cli
