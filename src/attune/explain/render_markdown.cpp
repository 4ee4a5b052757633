#include <fmt/format.h>

#include "attune/explain/equation.h"
#include "attune/explain/grid.h"
#include "attune/explain/messages.h"
#include "attune/explain/render.h"
#include "attune/text/control_characters.h"

namespace attune::explain {

namespace {

// Any text as text: what Markdown or HTML would take for a mark is escaped.
std::string markdown_text(const std::string& text) {
  std::string result;
  for (const char c : with_visible_controls(text)) {
    if (c == '<') {
      result += "&lt;";
    } else if (c == '&') {
      result += "&amp;";
    } else if (std::string_view("\\`*_{}[]()#+-.!|>~$\"").find(c) != std::string_view::npos) {
      result += std::string("\\") + c;
    } else {
      result += c;
    }
  }
  return result;
}

std::string latex_number(const std::string& cell) {
  if (cell == "·") return "\\cdot";
  if (cell == "…") return "\\cdots";
  if (cell == "-∞") return "-\\infty";
  const size_t exponent = cell.find('e');
  return exponent == std::string::npos ? cell
                                       : cell.substr(0, exponent) + "\\mathrm{e}{" + cell.substr(exponent + 1) + "}";
}

std::string latex_matrix(const Grid& grid) {
  if (grid.cells.size() == 1 && grid.cells.front().size() == 1) {
    return latex_number(grid.cells.front().front());
  }
  std::string text = "\\begin{bmatrix}";
  for (size_t i = 0; i < grid.cells.size(); ++i) {
    text += i > 0 ? " \\\\ " : " ";
    for (size_t j = 0; j < grid.cells[i].size(); ++j) {
      text += (j > 0 ? " & " : "") + latex_number(grid.cells[i][j]);
    }
  }
  return text + " \\end{bmatrix}";
}

class Writer {
 public:
  explicit Writer(const RenderOptions& options) : options_(options) {}

  std::string operator()(const Explanation& explanation) {
    std::vector<std::string> arguments;
    for (const std::string& argument : explanation.arguments) arguments.push_back(markdown_text(argument));
    text_ = "# " + say(explanation.title) + "\n\n" + say(explanation.introduction, arguments) + "\n";
    if (options_.view == View::vector) {
      paragraph(say("word.first"));
    }
    if (options_.convention == Convention::column) {
      paragraph(say("word.columns_convention"));
    }
    for (const Section& section : explanation.sections) {
      text_ += "\n## " + say(section.title) + "\n";
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

  void paragraph(const std::string& text) {
    text_ += '\n';
    text_ += text;
    text_ += '\n';
  }

  void write(const Step& step) {
    const std::string equation = latex_equation(equation_of(step, options_), options_.convention);
    text_ += "\n### " + markdown_text(step.name) + (is_scalar(step) ? "" : " (" + shape_text(step, options_) + ")") +
             "\n\n" + say(step.text, step.arguments) + "\n";
    if (step.name == "X" && !step.labels.rows.empty()) {
      tokens(step.labels.rows);
    }
    if (step.labels.longest > Labels{}.longest) {  // whole sentences: a list rather than a matrix
      list(step);
      return;
    }
    const bool vector = options_.view == View::vector && !step.written_out.empty();
    if (vector) {
      text_ += "\n$$" + equation + "$$\n";
      for (const WrittenRow& row : step.written_out) {
        text_ += "\n$$" + latex_equation(row.name, options_.convention) + " = " +
                 written_terms(row, options_, {" \\cdot ", "\\dots", "\\"}) +
                 latex_equation(row.rest, options_.convention) + " = " + written_value(row, options_) + "$$\n";
      }
    }
    if (!vector || step.finite_difference) {
      numbers(step, vector ? "" : equation);
    }
  }

  void list(const Step& step) {
    const Grid grid = grids_of(step, step.value, options_).front();
    text_ += '\n';
    for (size_t i = 0; i < grid.cells.size(); ++i) {
      std::string numbers;
      for (const std::string& cell : grid.cells[i]) numbers += (numbers.empty() ? "" : ", ") + cell;
      text_ += fmt::format("- {}: {}\n", markdown_text(grid.rows[i]), numbers);
    }
  }

  void tokens(const std::vector<std::string>& names) {
    std::string line = say("word.tokens") + ":";
    for (size_t i = 0; i < names.size(); ++i) {
      line += i > 0 ? ", " : " ";
      line += markdown_text(names[i]);
    }
    paragraph(line);
  }

  void numbers(const Step& step, const std::string& equation) {
    const auto grids = grids_of(step, step.value, options_);
    for (const Grid& grid : grids) {
      const std::string title = grid.title.empty() ? "" : "\\text{" + grid.title + ": } ";
      text_ += "\n$$" + title + equation + (equation.empty() ? "" : " = ") + latex_matrix(grid) + "$$\n";
    }
    if (step.finite_difference) {
      paragraph(fmt::format("{} ({}):", say("word.finite_difference"),
                            say("word.largest_difference", {largest_difference(step)})));
      for (const Grid& grid : grids_of(step, step.finite_difference, options_)) {
        text_ += "\n$$" + latex_matrix(grid) + "$$\n";
      }
    }
    if (grids.front().hides) {
      paragraph(say("word.hidden"));
    }
    if (grids.front().elided()) {
      const Grid& grid = grids.front();
      paragraph(say("word.elided", grid.elision()));
    }
  }

  const RenderOptions& options_;
  std::string text_;
};

}  // namespace

std::string as_markdown(const Explanation& explanation, const RenderOptions& options) {
  return Writer(options)(explanation);
}

}  // namespace attune::explain
