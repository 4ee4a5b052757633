// Inspections as one HTML file that needs neither a network nor anything beside it: page/ of this room as it is, and
// the JSON of inspection_text.h deflated and in base64, which the browser opens itself. Pieces of text enter the page
// as text only.
#pragma once

#include <string>

#include "attune/inspect/inspection_text.h"

namespace attune {

std::string to_html(const Inspections& inspections, const InspectionTextOptions& options = {});

}  // namespace attune
