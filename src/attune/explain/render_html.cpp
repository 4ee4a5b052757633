// One page that needs nothing else: no network, no script. Every text that came from outside is escaped; bidirectional
// text is kept inside its own cell.
#include "attune/base/markup.h"
#include "attune/explain/equation.h"
#include "attune/explain/grid.h"
#include "attune/explain/messages.h"
#include "attune/explain/render.h"

namespace attune::explain {

namespace {

constexpr const char* style = R"css(
:root { color-scheme: light dark; --ink: #1c2530; --soft: #5b6875; --line: #d8dee5; --paper: #fbfbfa; --card: #fff;
  --accent: #0b5f8a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ec; --soft: #9aa7b3; --line: #35404b; --paper: #14191f;
  --card: #1b222a; --accent: #7cc4ea; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .6rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; padding-bottom: .3rem; border-bottom: 2px solid var(--line); }
nav { font-size: .95rem; margin: 1rem 0; } nav a { color: var(--accent); margin-right: 1.2em; }
section.step { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .9rem 1.1rem;
  margin: .8rem 0; }
h3 { font: 400 1.15rem/1.4 "Cambria Math", Cambria, Georgia, serif; margin: 0; overflow-wrap: anywhere; }
h3 small { font: .85rem system-ui, sans-serif; color: var(--soft); margin-left: .6em; white-space: nowrap; }
p { margin: .35rem 0 .7rem; max-width: 46rem; } p.note { color: var(--soft); font-size: .9rem; margin: .5rem 0 0; }
.sides { display: flex; flex-wrap: wrap; gap: .8rem 2.2rem; }
figure { margin: 0; max-width: 100%; overflow-x: auto; }
figcaption { font-size: .85rem; color: var(--soft); margin-bottom: .2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .95rem; }
td, th { padding: .12rem .6rem; text-align: right; white-space: nowrap; }
th { font-weight: 400; color: var(--soft); max-width: 11rem; overflow: hidden; text-overflow: ellipsis; }
tbody th { text-align: left; padding-left: 0; }
td:first-of-type { border-left: 2px solid var(--line); } td:last-of-type { border-right: 2px solid var(--line); }
.written { font-variant-numeric: tabular-nums; font-size: .95rem; padding: .15rem 0 .15rem 2em; text-indent: -2em; }
.sentences th { max-width: none; overflow-wrap: anywhere; white-space: normal; }
.hidden { color: var(--soft); }
)css";

std::string table_of(const Grid& grid, const std::string& caption) {
  std::string html = "<figure>";
  if (!caption.empty()) html += "<figcaption>" + caption + "</figcaption>";
  html += grid.longest_label > Labels{}.longest ? "<table class=\"sentences\">" : "<table>";
  if (!grid.columns.empty()) {
    html += "<thead><tr>" + std::string(grid.rows.empty() ? "" : "<th></th>");
    for (const std::string& column : grid.columns) {
      html += "<th scope=\"col\"><bdi>" + escaped(column) + "</bdi></th>";
    }
    html += "</tr></thead>";
  }
  html += "<tbody>";
  for (size_t i = 0; i < grid.cells.size(); ++i) {
    html += "<tr>";
    if (!grid.rows.empty()) html += "<th scope=\"row\"><bdi>" + escaped(grid.rows[i]) + "</bdi></th>";
    for (const std::string& cell : grid.cells[i]) {
      html += cell == "·" ? "<td class=\"hidden\">·</td>" : "<td>" + cell + "</td>";
    }
    html += "</tr>";
  }
  return html + "</tbody></table></figure>";
}

class Writer {
 public:
  explicit Writer(const RenderOptions& options) : options_(options) {}

  std::string operator()(const Explanation& explanation) {
    const std::string title = escaped(say(explanation.title));
    text_ = "<!doctype html>\n<html lang=\"" + std::string(code_of(options_.language)) +
            "\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, "
            "initial-scale=1\">\n<title>" +
            title + "</title>\n<style>" + style + "</style>\n</head>\n<body>\n<main>\n<h1>" + title + "</h1>\n<p>" +
            escaped(say(explanation.introduction, explanation.arguments)) + "</p>\n";
    if (options_.view == View::vector) {
      note(say("word.first"));
    }
    if (options_.convention == Convention::column) {
      note(say("word.columns_convention"));
    }
    text_ += "<nav>";
    for (size_t i = 0; i < explanation.sections.size(); ++i) {
      text_ += "<a href=\"#s" + std::to_string(i) + "\">" + escaped(say(explanation.sections[i].title)) + "</a> ";
    }
    text_ += "</nav>\n";
    for (size_t i = 0; i < explanation.sections.size(); ++i) {
      text_ += "<h2 id=\"s" + std::to_string(i) + "\">" + escaped(say(explanation.sections[i].title)) + "</h2>\n";
      for (const Step& step : explanation.sections[i].steps) {
        write(step);
      }
    }
    return text_ + "</main>\n</body>\n</html>\n";
  }

 private:
  std::string say(const std::string& id, const std::vector<std::string>& arguments = {}) const {
    return message(id, options_.language, arguments);
  }
  void note(const std::string& text) { text_ += "<p class=\"note\">" + escaped(text) + "</p>\n"; }

  void write(const Step& step) {
    text_ += "<section class=\"step\" data-step=\"" + escaped(step.name) + "\">\n<h3>" +
             html_equation(equation_of(step, options_), options_.convention) +
             (is_scalar(step) ? "" : "<small>" + shape_text(step, options_) + "</small>") + "</h3>\n<p>" +
             escaped(say(step.text, step.arguments)) + "</p>\n";
    const bool vector = options_.view == View::vector && !step.written_out.empty();
    for (size_t i = 0; vector && i < step.written_out.size(); ++i) {
      const WrittenRow& row = step.written_out[i];
      text_ += "<div class=\"written\">" + html_equation(row.name, options_.convention) + " = " +
               written_terms(row, options_, {"·", "…"}) + html_equation(row.rest, options_.convention) + " = " +
               written_value(row, options_) + "</div>\n";
    }
    if (!vector || step.finite_difference) {
      numbers(step);
    }
    text_ += "</section>\n";
  }

  void numbers(const Step& step) {
    const auto grids = grids_of(step, step.value, options_);
    const bool checked = static_cast<bool>(step.finite_difference);
    text_ += "<div class=\"sides\">";
    for (const Grid& grid : grids) {
      text_ += table_of(grid, escaped(grid.title + (checked && !grid.title.empty() ? ", " : "") +
                                      (checked ? say("word.value") : "")));
    }
    for (const Grid& grid : checked ? grids_of(step, step.finite_difference, options_) : std::vector<Grid>{}) {
      text_ += table_of(grid, escaped(grid.title + (grid.title.empty() ? "" : ", ") + say("word.finite_difference")));
    }
    text_ += "</div>\n";
    if (grids.front().hides) note(say("word.hidden"));
    if (checked) note(say("word.largest_difference", {largest_difference(step)}));
    if (grids.front().elided()) {
      const Grid& grid = grids.front();
      note(say("word.elided", grid.elision()));
    }
  }

  const RenderOptions& options_;
  std::string text_;
};

}  // namespace

std::string as_html(const Explanation& explanation, const RenderOptions& options) {
  return Writer(options)(explanation);
}

}  // namespace attune::explain
