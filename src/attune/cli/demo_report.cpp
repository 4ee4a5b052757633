#include "attune/cli/demo_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <string_view>

#include "attune/cli/console.h"
#include "attune/text/unicode.h"

namespace attune::cli {

namespace {

std::string without_trailing_blanks(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::string show_sentence(const ShownSentence& sentence, int width) {
  constexpr int label_width = 16;
  const auto source = split_whitespace(sentence.source), output = split_whitespace(sentence.output);
  std::vector<std::string_view> looked_at(output.size(), "-");
  for (const Link& link : sentence.looked_at) {
    if (static_cast<size_t>(link.target) < output.size() && static_cast<size_t>(link.source) < source.size()) {
      looked_at[static_cast<size_t>(link.target)] = source[static_cast<size_t>(link.source)];
    }
  }
  const bool right = sentence.output == sentence.reference;
  std::string text = fmt::format("{:>3}  source     {}\n     reference  {}{}\n", sentence.number, sentence.source,
                                 sentence.reference, right ? "   (the output is the same)" : "");
  std::string first, second;
  const auto end_rows = [&] {
    if (!first.empty()) {
      text += without_trailing_blanks("     output     " + first) + "\n";
      text += without_trailing_blanks("     looked at  " + second) + "\n";
    }
    first.clear();
    second.clear();
  };
  for (size_t i = 0; i < output.size(); ++i) {
    const int cell = std::max(columns(output[i]), columns(looked_at[i])) + 2;
    if (label_width + columns(first) + cell > width) {
      end_rows();
    }
    first += padded(output[i], cell);
    second += padded(looked_at[i], cell);
  }
  if (output.empty()) {
    text += "     output     (nothing)\n";
  }
  end_rows();
  return text;
}

std::string show_figures(const std::vector<Figure>& figures) {
  int label_width = 0, value_width = 0;
  for (const Figure& figure : figures) {
    label_width = std::max(label_width, columns(figure.label));
    value_width = std::max(value_width, columns(figure.value));
  }
  std::string text;
  for (const Figure& figure : figures) {
    text += without_trailing_blanks("  " + padded(figure.label, label_width) + "  " +
                                    right_aligned(figure.value, value_width) + "  " + figure.remark) +
            "\n";
  }
  return text;
}

}  // namespace attune::cli
