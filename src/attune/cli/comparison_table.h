// What attune compare prints of its rows: a table, or the same as JSON.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "attune/cli/comparison_row.h"

namespace attune::cli {

// A figure that a row can have. A new one needs a line in the list of these and whoever measures it.
struct ComparisonColumn {
  const char* title;
  const char* key;  // in JSON and in RowResult::figures
  int decimals;
};
std::span<const ComparisonColumn> comparison_columns();

struct ComparedRow {
  ComparisonRow row;
  RowResult result = {};
  std::string failure = {};  // why there is no result
};

std::string row_line(const ComparedRow& compared);  // without an end
// Rows in their order; of a config with several rows (seeds) also mean and sample standard deviation of those that did
// not fail; and what the figures are measured on.
std::string comparison_text(const std::vector<ComparedRow>& rows);
std::string comparison_json(const std::vector<ComparedRow>& rows);

}  // namespace attune::cli
