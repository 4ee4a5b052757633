#include <fmt/format.h>

#include <algorithm>

#include "attune/explain/equation.h"
#include "attune/explain/grid.h"
#include "attune/explain/messages.h"
#include "attune/explain/render.h"

namespace attune::explain {

namespace {

constexpr const char *bold = "\x1b[1m", *dim = "\x1b[2m", *blue = "\x1b[1;36m", *plain = "\x1b[0m";

int columns_of(std::string_view text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string blanks(int count) {
  return std::string(static_cast<size_t>(std::max(count, 0)), ' ');
}

// A token may hold anything; a label is one short line.
std::string label(const std::string& text, int most) {
  std::string result;
  int taken = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool starts = (byte & 0xC0U) != 0x80U;
    if (starts && ++taken > most) {
      return result + "…";
    }
    result += c;
  }
  return result;
}

std::string wrapped(const std::string& text, int indent, int width) {
  std::string result = blanks(indent);
  int column = indent;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (column > indent && column + 1 + columns_of(word) > width) {
      result += '\n';
      result += blanks(indent);
      column = indent;
    } else if (column > indent) {
      result += ' ';
      ++column;
    }
    result += word;
    column += columns_of(word);
    begin = end + 1;
  }
  return result + "\n";
}

// A block of lines of equal width.
std::vector<std::string> block(const Grid& grid, const std::string& title) {
  const size_t columns = grid.cells.empty() ? 0 : grid.cells.front().size();
  int first = 0;
  for (const std::string& row : grid.rows) first = std::max(first, columns_of(label(row, grid.longest_label)));
  std::vector<int> widths(columns, 0);
  for (size_t j = 0; j < columns; ++j) {
    widths[j] = grid.columns.empty() ? 0 : columns_of(label(grid.columns[j], grid.longest_label));
    for (const auto& row : grid.cells) widths[j] = std::max(widths[j], columns_of(row[j]));
  }
  std::vector<std::string> lines;
  const auto add = [&](const std::string& name, auto&& cell) {
    std::string line = name + blanks(first - columns_of(name));
    for (size_t j = 0; j < columns; ++j) {
      const std::string text = cell(j);
      line += blanks((j == 0 && first == 0 ? 0 : 2) + widths[j] - columns_of(text)) + text;
    }
    lines.push_back(line);
  };
  if (!title.empty()) lines.push_back(title);
  if (!grid.columns.empty()) {
    add("", [&](size_t j) { return label(grid.columns[j], grid.longest_label); });
  }
  for (size_t i = 0; i < grid.cells.size(); ++i) {
    add(grid.rows.empty() ? "" : label(grid.rows[i], grid.longest_label), [&](size_t j) { return grid.cells[i][j]; });
  }
  int widest = 0;
  for (const std::string& line : lines) widest = std::max(widest, columns_of(line));
  for (std::string& line : lines) line += blanks(widest - columns_of(line));
  return lines;
}

class Writer {
 public:
  explicit Writer(const RenderOptions& options) : options_(options) {}

  std::string operator()(const Explanation& explanation) {
    line(coloured(bold, say(explanation.title)));
    text_ += '\n';
    text_ += wrapped(say(explanation.introduction, explanation.arguments), 0, options_.width);
    if (options_.view == View::vector) {
      text_ += wrapped(say("word.first"), 0, options_.width);
    }
    if (options_.convention == Convention::column) {
      text_ += wrapped(say("word.columns_convention"), 0, options_.width);
    }
    for (const Section& section : explanation.sections) {
      const std::string title = say(section.title);
      text_ += fmt::format("\n{}\n", coloured(bold, "── " + title));
      for (const Step& step : section.steps) {
        write(step);
      }
    }
    return text_;
  }

 private:
  std::string say(const std::string& id, const std::vector<std::string>& arguments = {}) const {
    return message(id, options_.language, arguments);
  }
  std::string coloured(const char* colour, const std::string& text) const {
    return options_.colours ? colour + text + plain : text;
  }
  void line(const std::string& text) {
    const size_t end = text.find_last_not_of(' ');
    text_ += (end == std::string::npos ? "" : text.substr(0, end + 1)) + "\n";
  }

  void write(const Step& step) {
    const std::string shape = is_scalar(step) ? "" : "  [" + shape_text(step, options_) + "]";
    text_ += fmt::format("\n{}{}\n", coloured(blue, plain_equation(equation_of(step, options_), options_.convention)),
                         coloured(dim, shape));
    text_ += wrapped(say(step.text, step.arguments), 2, options_.width);
    const bool vector = options_.view == View::vector && !step.written_out.empty();
    if (vector) {
      for (const WrittenRow& row : step.written_out) {
        line("    " + plain_equation(row.name, options_.convention) + " = " + written_terms(row, options_, {"·", "…"}) +
             plain_equation(row.rest, options_.convention) + " = " + written_value(row, options_));
      }
    }
    if (!vector || step.finite_difference) {
      numbers(step);
    }
  }

  void numbers(const Step& step) {
    const auto grids = grids_of(step, step.value, options_);
    const bool checked = static_cast<bool>(step.finite_difference);
    const auto others = checked ? grids_of(step, step.finite_difference, options_) : std::vector<Grid>{};
    bool hides = false;
    for (size_t i = 0; i < grids.size(); ++i) {
      const std::string head = grids[i].title.empty() ? "" : grids[i].title;
      hides = hides || grids[i].hides;
      auto left = block(grids[i], checked ? (head.empty() ? "" : head + ", ") + say("word.value") : head);
      if (checked) {
        beside(left, block(others[i], say("word.finite_difference")));
      } else {
        for (const std::string& each : left) line("    " + each);
      }
    }
    if (hides) line("    " + coloured(dim, say("word.hidden")));
    if (checked) line("    " + coloured(dim, say("word.largest_difference", {largest_difference(step)})));
    if (grids.front().elided()) elision(grids.front());
  }

  void beside(const std::vector<std::string>& left, const std::vector<std::string>& right) {
    const bool fits = 4 + columns_of(left.front()) + 4 + columns_of(right.front()) <= options_.width;
    for (size_t i = 0; i < left.size(); ++i) {
      line("    " + left[i] + (fits ? "    " + right[i] : ""));
    }
    for (size_t i = 0; !fits && i < right.size(); ++i) {
      line("    " + right[i]);
    }
  }

  void elision(const Grid& grid) { text_ += wrapped(say("word.elided", grid.elision()), 4, options_.width); }

  const RenderOptions& options_;
  std::string text_;
};

}  // namespace

std::string as_text(const Explanation& explanation, const RenderOptions& options) {
  return Writer(options)(explanation);
}

}  // namespace attune::explain
