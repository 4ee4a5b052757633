// Inspections as one HTML file that needs neither a network nor anything beside it: page/ of this room as it is, and
// the JSON of inspection_text.h deflated and in base64, which the browser opens itself. Pieces of text enter the page
// as text only.
#pragma once

#include <optional>
#include <string>

#include "attune/inspect/inspection_text.h"

namespace attune {

std::string to_html(const Inspections& inspections, const InspectionTextOptions& options = {});

// The page with as many of each row's largest weights as keep it small: options.top_k, or fewer, and never less than
// 4, until it has at most `bytes` for every sentence of every model.
struct FittedPage {
  std::string html;
  std::optional<int> top_k = {};  // where it is fewer
};
FittedPage to_small_html(const Inspections& inspections, const InspectionTextOptions& options = {},
                         size_t bytes = 2'000'000);

}  // namespace attune
