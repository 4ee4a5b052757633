// What attune compare prints of its rows: a table, or the same as JSON.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "attune/cli/comparison_row.h"

namespace attune::cli {

struct ComparedRow {
  ComparisonRow row;
  RowResult result = {};
  std::string failure = {};  // why there is no result
};

// A figure that a row can have. A new one needs a line in the list of these and whoever measures it.
struct ComparisonColumn {
  std::string title;
  std::string key;  // in JSON and in RowResult::figures
  int decimals;
};
// Those of these rows, which have the same length bounds.
std::vector<ComparisonColumn> comparison_columns(std::span<const ComparedRow> rows);

std::string row_line(const ComparedRow& compared);  // without an end
// Rows in their order; of a config with several rows (seeds) also mean and sample standard deviation of those that did
// not fail; and what the figures are measured on.
std::string comparison_text(const std::vector<ComparedRow>& rows);
std::string comparison_json(const std::vector<ComparedRow>& rows);

}  // namespace attune::cli
