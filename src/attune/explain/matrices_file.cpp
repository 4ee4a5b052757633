#include <cmath>
#include <optional>

#include "attune/base/json.h"
#include "attune/data/corpus.h"
#include "attune/explain/explain.h"

namespace attune::explain {

namespace {

using Rows = std::vector<std::vector<double>>;

Tensor matrix_of(const Rows& rows, const std::string& what) {
  check(!rows.empty() && !rows.front().empty(), what, ": expected a matrix, found no numbers");
  check(rows.size() <= 4096 && rows.front().size() <= 4096, what, ": expected at most 4096 rows and columns");
  Tensor result =
      Tensor::empty({static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows.front().size())}, DType::float64);
  auto into = result.data<double>().begin();
  for (size_t i = 0; i < rows.size(); ++i) {
    check(rows[i].size() == rows.front().size(), what, ": row ", i + 1, " has ", rows[i].size(), " numbers, row 1 ",
          rows.front().size());
    for (const double value : rows[i]) {
      check(std::isfinite(value), what, ": row ", i + 1, " holds a number that is not finite");
    }
    into = std::copy(rows[i].begin(), rows[i].end(), into);
  }
  return result;
}

Rows rows_of(const nlohmann::json& value, const std::string& what) {
  check(value.is_array(), what, ": expected a list of rows, [[1, 0], [0, 1]]");
  Rows rows;
  for (const auto& row : value) {
    check(row.is_array(), what, ": expected a list of rows, [[1, 0], [0, 1]], found ", row.dump());
    std::vector<double>& numbers = rows.emplace_back();
    for (const auto& number : row) {
      numbers.push_back(read_value<double>(number, what));
    }
  }
  return rows;
}

Given read_json(const std::vector<std::string>& lines, const std::string& path) {
  std::string text;
  for (const std::string& line : lines) {
    text += line + "\n";
  }
  Given given;
  const nlohmann::json object = parse_json_object(text, path, 4);
  for (const auto& [key, value] : object.items()) {
    const std::string what = path + ": " + key;
    if (key == "tokens") {
      check(value.is_array(), what, ": expected a list of words");
      for (const auto& token : value) given.tokens.push_back(read_value<std::string>(token, what));
    } else {
      given.matrices[key] = matrix_of(rows_of(value, what), what);
    }
  }
  return given;
}

std::optional<double> number_of(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t"), end = text.find_last_not_of(" \t");
  if (begin == std::string::npos) {
    return {};
  }
  const std::string cell = text.substr(begin, end - begin + 1);
  char* rest = nullptr;
  const double value = std::strtod(cell.c_str(), &rest);
  return *rest == '\0' ? std::optional(value) : std::nullopt;
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find(',', begin), line.size());
    cells.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return cells;
}

Given read_csv(const std::vector<std::string>& lines, const std::string& path) {
  std::map<std::string, Rows> blocks;
  std::string name = "X";
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string where = path + ":" + std::to_string(i + 1);
    if (lines[i].find_first_not_of(" \t,") == std::string::npos) {
      continue;
    }
    const std::vector<std::string> cells = cells_of(lines[i]);
    if (!number_of(cells.front())) {
      name = cells.front().substr(0, cells.front().find_last_not_of(" \t") + 1);
      check(blocks.count(name) == 0, where, ": ", name, " stands there twice");
      check(cells.size() == 1 || lines[i].find_first_not_of(" \t,", cells.front().size()) == std::string::npos, where,
            ": expected the name of a matrix or a row of numbers, found \"", lines[i], "\"");
      continue;
    }
    std::vector<double>& row = blocks[name].emplace_back();
    for (const std::string& cell : cells) {
      const auto number = number_of(cell);
      check(number.has_value(), where, ": expected numbers between commas, found \"", cell, "\"");
      row.push_back(*number);
    }
  }
  Given given;
  for (const auto& [key, rows] : blocks) {
    given.matrices[key] = matrix_of(rows, path + ": " + key);
  }
  return given;
}

}  // namespace

Given read_matrices(const std::string& path) {
  const bool json = path.ends_with(".json");
  check_usage(json || path.ends_with(".csv"), "matrices: expected a file that ends in .json or .csv, got ", path);
  const std::vector<std::string> lines = read_lines(path);
  Given given = json ? read_json(lines, path) : read_csv(lines, path);
  check(!given.matrices.empty(), path, ": expected at least one matrix, found none");
  given.where = path;
  return given;
}

}  // namespace attune::explain
