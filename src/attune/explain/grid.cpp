#include "attune/explain/grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "attune/explain/messages.h"
#include "attune/text/control_characters.h"

namespace attune::explain {

namespace {

constexpr int64_t most_rows = 12, most_columns = 10, most_terms = 6;

// Indices that are shown; -1 for the gap.
std::vector<int64_t> shown(int64_t count, int64_t most) {
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < count; ++i) {
    if (count <= most || i < most - 2 || i == count - 1) {
      indices.push_back(i);
    } else if (i == most - 2) {
      indices.push_back(-1);
    }
  }
  return indices;
}

int64_t count_of(const std::vector<int64_t>& indices) {
  return static_cast<int64_t>(indices.size()) - std::count(indices.begin(), indices.end(), -1);
}

std::vector<std::string> chosen(const std::vector<std::string>& labels, const std::vector<int64_t>& indices) {
  std::vector<std::string> result;
  for (const int64_t i : indices) {
    if (labels.empty()) {
      return {};
    }
    result.push_back(i < 0                                    ? "⋮"
                     : static_cast<size_t>(i) < labels.size() ? with_visible_controls(labels[static_cast<size_t>(i)])
                                                              : "");
  }
  return result;
}

std::vector<double> numbers_of(const Tensor& value) {
  std::vector<double> numbers;
  for (int64_t i = 0; i < value.elements(); ++i) {
    numbers.push_back(value.at(i));
  }
  return numbers;
}

Tensor transposed(const Tensor& matrix) {
  Tensor result = Tensor::empty({matrix.columns(), matrix.rows()}, DType::float64);
  for (int64_t i = 0; i < matrix.rows(); ++i) {
    for (int64_t j = 0; j < matrix.columns(); ++j) {
      result.data<double>()[static_cast<size_t>(j * matrix.rows() + i)] = matrix.at(i * matrix.columns() + j);
    }
  }
  return result;
}

bool first_row_only(const Step& step, const RenderOptions& options) {
  return options.view == View::vector && !step.all_rows;
}

Grid grid_of(const Step& step, Tensor matrix, int digits, const RenderOptions& options) {
  Grid grid;
  grid.longest_label = step.labels.longest;
  std::vector<std::string> rows = step.labels.rows, columns = step.labels.columns;
  if (first_row_only(step, options)) {
    matrix = matrix.rows_view(0, std::min<int64_t>(1, matrix.rows()));
  }
  matrix = transposed_if_columns(matrix, options.convention);
  if (options.convention == Convention::column) {
    std::swap(rows, columns);
  }
  const auto row_indices = shown(matrix.rows(), most_rows), column_indices = shown(matrix.columns(), most_columns);
  grid.rows = chosen(rows, row_indices);
  grid.columns = chosen(columns, column_indices);
  grid.all_rows = matrix.rows();
  grid.all_columns = matrix.columns();
  grid.shown_rows = count_of(row_indices);
  grid.shown_columns = count_of(column_indices);
  for (const int64_t i : row_indices) {
    std::vector<std::string>& cells = grid.cells.emplace_back();
    for (const int64_t j : column_indices) {
      const bool gap = i < 0 || j < 0;
      const double value = gap ? 0 : matrix.at(i * matrix.columns() + j);
      grid.hides = grid.hides || std::isnan(value);
      cells.push_back(gap ? "…" : number_text(value, digits));
    }
  }
  return grid;
}

std::string row_text(const std::vector<double>& row, int digits) {
  std::string text;
  for (size_t i = 0; i < row.size(); ++i) {
    if (static_cast<int64_t>(i) == most_terms) {
      text += ", …";
      break;
    }
    text += (i > 0 ? ", " : "") + number_text(row[i], digits);
  }
  return row.size() == 1 ? text : "(" + text + ")";
}

}  // namespace

int digits_of(const std::vector<double>& numbers, int precision) {
  int digits = 0;
  double largest = 0;
  for (const double value : numbers) {
    if (!std::isfinite(value)) {
      continue;
    }
    largest = std::max(largest, std::fabs(value));
    while (digits < precision) {
      const double unit = std::pow(10.0, digits);
      if (std::fabs(value * unit - std::round(value * unit)) < 1e-9 * unit) {
        break;
      }
      ++digits;
    }
  }
  return largest > 0 && largest < 0.5 * std::pow(10.0, -precision) ? -1 : digits;
}

std::string number_text(double value, int digits) {
  if (std::isnan(value)) {
    return "·";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-∞" : "∞";
  }
  if (digits >= 0 && std::fabs(value) < 0.5 * std::pow(10.0, -digits)) {
    constexpr double rounding = 1e-12;
    if (digits > 0 && std::fabs(value) > rounding) {
      return fmt::format("{:.0e}", value);
    }
    value = 0;  // never -0
  }
  if (value != 0 && (digits < 0 || std::fabs(value) >= 1e9)) {
    return fmt::format("{:.1e}", value);
  }
  return fmt::format("{:.{}f}", value, std::max(digits, 0));
}

Tensor transposed_if_columns(const Tensor& value, Convention convention) {
  if (convention == Convention::row || value.rank() < 2) {
    return value;
  }
  if (value.rank() == 2) {
    return transposed(value);
  }
  const int64_t heads = value.size(0), rows = value.size(1), columns = value.size(2);
  Tensor result = Tensor::empty({heads, columns, rows}, DType::float64);
  for (int64_t h = 0; h < heads; ++h) {
    const Tensor one = value.rows_view(h, 1).compact().viewed({rows, columns});
    result.rows_view(h, 1).copy_from(transposed(one).viewed({1, columns, rows}));
  }
  return result;
}

bool is_scalar(const Step& step) {
  return step.value.rank() == 0;
}

std::string shape_text(const Step& step, const RenderOptions& options) {
  std::string text;
  const Tensor value = transposed_if_columns(step.value, options.convention);
  for (const int64_t extent : value.shape().sizes()) {
    text += (text.empty() ? "" : " × ") + std::to_string(extent);
  }
  return text;
}

std::vector<Grid> grids_of(const Step& step, const Tensor& value, const RenderOptions& options) {
  const int digits = digits_of(numbers_of(value), options.precision);
  if (value.rank() < 3) {
    return {grid_of(step, value.rank() == 2 ? value : value.viewed({1, value.elements()}), digits, options)};
  }
  std::vector<Grid> grids;
  for (int64_t h = 0; h < value.size(0); ++h) {
    const Tensor one = value.rows_view(h, 1).compact().viewed({value.size(1), value.size(2)});
    grids.push_back(grid_of(step, one, digits, options));
    grids.back().title = message("word.head", options.language, {std::to_string(h + 1)});
    if (first_row_only(step, options)) {
      break;
    }
  }
  return grids;
}

std::string largest_difference(const Step& step) {
  double largest = 0;
  for (int64_t i = 0; i < step.value.elements(); ++i) {
    const double difference = std::fabs(step.value.at(i) - step.finite_difference.at(i));
    largest = std::isnan(difference) ? largest : std::max(largest, difference);
  }
  return largest == 0 ? "0" : fmt::format("{:.1e}", largest);
}

const std::string& equation_of(const Step& step, const RenderOptions& options) {
  return options.view == View::vector && !step.vector_equation.empty() ? step.vector_equation : step.equation;
}

std::string written_terms(const WrittenRow& row, const RenderOptions& options, const WrittenSigns& signs) {
  std::vector<double> factors, parts;
  for (const auto& term : row.terms) {
    factors.push_back(term.factor);
    parts.insert(parts.end(), term.of.begin(), term.of.end());
  }
  const int factor_digits = digits_of(factors, options.precision), digits = digits_of(parts, options.precision);
  std::string text;
  for (size_t i = 0; i < row.terms.size(); ++i) {
    if (static_cast<int64_t>(i) == most_terms) {
      text += " + " + signs.more;
      break;
    }
    if (row.terms[i].of.empty()) {  // a number by itself
      const double number = row.terms[i].factor;
      text += (i == 0       ? ""
               : number < 0 ? " - "
                            : " + ") +
              number_text(i == 0 ? number : std::fabs(number), factor_digits);
      continue;
    }
    const std::string factor = number_text(row.terms[i].factor, factor_digits);
    const std::string part = row_text(row.terms[i].of, digits);
    text += (i > 0 ? " + " : "") + (factor.starts_with('-') && i > 0 ? "(" + factor + ")" : factor) + signs.times +
            (part.starts_with('-') ? "(" + part + ")" : part);
  }
  return row.rest.empty() && row.function.empty()
             ? text
             : (row.function.empty() ? "" : signs.command + row.function) + "(" + text + ")";
}

std::string written_value(const WrittenRow& row, const RenderOptions& options) {
  return row_text(row.value, digits_of(row.value, options.precision));
}

}  // namespace attune::explain
