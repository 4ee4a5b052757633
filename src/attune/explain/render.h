// An explanation as text for a terminal, Markdown with LaTeX, a page of HTML that needs nothing else, or JSON for
// scripts.
#pragma once

#include <string>

#include "attune/explain/explanation.h"

namespace attune::explain {

struct RenderOptions {
  Language language = Language::english;
  View view = View::matrix;
  Convention convention = Convention::row;
  int precision = 4;     // digits behind the point; JSON has them all
  int width = 100;       // of text, in columns
  bool colours = false;  // of text
};

std::string as_text(const Explanation& explanation, const RenderOptions& options);
std::string as_markdown(const Explanation& explanation, const RenderOptions& options);
std::string as_html(const Explanation& explanation, const RenderOptions& options);
// {"steps": [{"name", "equation", "shape", "value", "finite_difference"?, "rows"?, "columns"?}]}: hidden cells and
// infinities are null; rows and columns are what they are called, such as tokens.
std::string as_json(const Explanation& explanation, const RenderOptions& options);

}  // namespace attune::explain
