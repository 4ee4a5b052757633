// A step's numbers as cells of text, the same for every renderer: which rows and columns are shown, transposed where
// tokens are columns, with as many digits as the whole matrix needs.
#pragma once

#include <string>
#include <vector>

#include "attune/explain/render.h"

namespace attune::explain {

struct Grid {
  std::string title;                       // "head 2", or empty
  std::vector<std::string> rows, columns;  // labels, or empty
  std::vector<std::vector<std::string>> cells;
  int64_t shown_rows = 0, all_rows = 0, shown_columns = 0, all_columns = 0;
  bool hides = false;  // some cells are hidden
  int longest_label = 14;

  bool elided() const { return shown_rows < all_rows || shown_columns < all_columns; }
  // What the message word.elided is filled with.
  std::vector<std::string> elision() const {
    return {std::to_string(shown_rows), std::to_string(all_rows), std::to_string(shown_columns),
            std::to_string(all_columns)};
  }
};

// One per head.
std::vector<Grid> grids_of(const Step& step, const Tensor& value, const RenderOptions& options);

bool is_scalar(const Step& step);
// The shape as it is shown: "3 × 2".
std::string shape_text(const Step& step, const RenderOptions& options);
Tensor transposed_if_columns(const Tensor& value, Convention convention);

// Digits that all the numbers need, at most `precision`; -1: they are all so small that only an exponent shows them.
int digits_of(const std::vector<double>& numbers, int precision);
std::string number_text(double value, int digits);

std::string largest_difference(const Step& step);
// The equation of the chosen view.
const std::string& equation_of(const Step& step, const RenderOptions& options);
// "1.00·(1, 0) + 0.50·(0, 1)": the parts of a written-out row, as text in the given signs.
struct WrittenSigns {
  std::string times, more, command = "";  // command: in front of a function's name
};
std::string written_terms(const WrittenRow& row, const RenderOptions& options, const WrittenSigns& signs);
std::string written_value(const WrittenRow& row, const RenderOptions& options);

}  // namespace attune::explain
