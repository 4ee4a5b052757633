#include "attune/data/documents.h"

#include <algorithm>

#include "attune/text/unicode.h"

namespace attune {

bool is_level_1_heading(std::string_view line) {
  const auto words = split_whitespace(line);
  return words.size() >= 3 && words.front() == "=" && words.back() == "=" && words[1] != "=" &&
         words[words.size() - 2] != "=";
}

std::vector<Document> documents_of(const std::vector<std::string>& lines) {
  const bool headed = std::any_of(lines.begin(), lines.end(), is_level_1_heading);
  std::vector<Document> documents;
  bool open = false;
  for (const std::string& line : lines) {
    const bool blank = split_whitespace(line).empty();
    if (headed ? is_level_1_heading(line) : blank) {
      open = false;
    }
    if (blank) {
      continue;
    }
    if (!open) {
      documents.emplace_back();
      open = true;
    }
    documents.back().push_back(line);
  }
  return documents;
}

}  // namespace attune
