// Plain text as documents, for models that learn from text alone: one sentence or paragraph a line. Where a file has
// level-1 headings as WikiText writes them (" = Title = "), a document begins at each of them; otherwise blank lines
// stand between documents.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace attune {

using Document = std::vector<std::string>;  // lines, none of them blank

// " = Title = ", and none of more signs of equality.
bool is_level_1_heading(std::string_view line);

std::vector<Document> documents_of(const std::vector<std::string>& lines);

}  // namespace attune
