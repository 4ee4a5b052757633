#include "attune/explain/written_out.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <utility>

#include "attune/explain/equation.h"

namespace attune::explain {

namespace {

// One matrix; of several heads the first one's.
struct Matrix {
  Tensor value;
  int64_t rows = 0, columns = 0;

  explicit Matrix(const Tensor& any)
      : value(any.compact()), rows(any.rank() > 1 ? any.size(-2) : 1), columns(any.columns()) {}
  double at(int64_t i, int64_t j) const { return value.at(i * columns + j); }
  std::vector<double> row(int64_t i) const {
    std::vector<double> numbers;
    for (int64_t j = 0; j < columns; ++j) numbers.push_back(at(i, j));
    return numbers;
  }
};

// The quantity an equation's symbol stands for; not given where there is none of that name. Q_h: of a head.
Tensor quantity(const std::string& symbol, const Calculated& run) {
  const std::string name = symbol.ends_with("_h") ? symbol.substr(0, symbol.size() - 2) : symbol;
  const auto find = [](const Quantities& all, const std::string& key) {
    const auto found = all.find(key);
    return found == all.end() ? Tensor() : found->second;
  };
  const Tensor value = find(run.values, name);
  return value || !name.starts_with('d') ? value : find(run.gradients, name.substr(1));
}

// The first head's columns of a matrix in which the heads stand side by side.
Tensor of_first_head(const Tensor& x, int64_t heads) {
  return !x || x.rank() != 2 ? x : x.columns_view(0, x.columns() / heads).compact();
}

WrittenRow sum_of_rows(const Matrix& left, bool transposed, const Matrix& right, int64_t i) {
  WrittenRow row;
  for (int64_t k = 0; k < right.rows; ++k) {
    const double factor = transposed ? left.at(k, i) : left.at(i, k);
    if (!std::isnan(factor)) {  // hidden
      row.terms.push_back({factor, right.row(k)});
    }
  }
  return row;
}

WrittenRow dot_product(const Matrix& left, const Matrix& right, int64_t i, int64_t j) {
  WrittenRow row;
  for (int64_t k = 0; k < left.columns; ++k) {
    row.terms.push_back({left.at(i, k), {right.at(j, k)}});
  }
  return row;
}

// exp(score - log-sum-exp) of the first query
std::vector<WrittenRow> written_softmax(const Calculated& run) {
  const Matrix scores(run.values.at("S")), weights(run.values.at("P"));
  const double log_sum = run.values.at("lse").at(0);
  std::vector<WrittenRow> rows;
  for (int64_t j = 0; j < scores.columns; ++j) {
    if (!std::isnan(scores.at(0, j))) {
      WrittenRow& row = rows.emplace_back();
      row.name = fmt::format("beta_(1,{})", j + 1);
      row.function = "exp";
      row.terms = {{scores.at(0, j), {}}, {-log_sum, {}}};
      row.value = {weights.at(0, j)};
    }
  }
  return rows;
}

}  // namespace

std::string vector_name(const std::string& matrix) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 11> names{{{"X", "a"},
                                                                                        {"Q", "q"},
                                                                                        {"K", "k"},
                                                                                        {"V", "v"},
                                                                                        {"S", "alpha"},
                                                                                        {"P", "beta"},
                                                                                        {"O", "b"},
                                                                                        {"O_heads", "b"},
                                                                                        {"H", "h"},
                                                                                        {"Y", "y"},
                                                                                        {"QK", "QK"}}};
  for (const auto& [name, vector] : names) {
    if (matrix == name) {
      return std::string(vector);
    }
    if (matrix.starts_with('d') && matrix.substr(1) == name) {
      return fmt::format("d{}", vector);
    }
  }
  return matrix;
}

std::vector<WrittenRow> written_out(const Line& line, const Tensor& value, const Calculated& run) {
  if (line.name == "P" && run.values.count("lse") == 1) {
    return written_softmax(run);
  }
  const auto product = product_of(line.equation);
  if (!product) {
    return {};
  }
  const bool by_heads = product->left.symbol.ends_with("_h");
  const int64_t heads = by_heads ? run.values.at("P").size(0) : 1;
  const Matrix result(of_first_head(value, heads));
  const Tensor left_value = of_first_head(quantity(product->left.symbol, run), heads);
  const Tensor right_value = of_first_head(quantity(product->right.symbol, run), heads);
  if (!left_value || !right_value || (product->left.transposed && product->right.transposed)) {
    return {};
  }
  const Matrix left(left_value), right(right_value);
  const int64_t inner = product->left.transposed ? left.rows : left.columns;
  if (inner != (product->right.transposed ? right.columns : right.rows)) {
    return {};
  }
  std::vector<WrittenRow> rows;
  const std::string name = vector_name(line.name) + "_";
  for (int64_t i = 0; i < (line.all_rows ? result.rows : std::min<int64_t>(1, result.rows)); ++i) {
    const std::string place = name + std::to_string(i + 1);
    if (!product->right.transposed) {
      rows.push_back(sum_of_rows(left, product->left.transposed, right, i));
      rows.back().name = place;
      rows.back().value = result.row(i);
      rows.back().rest = product->rest;
      continue;
    }
    for (int64_t j = 0; j < result.columns; ++j) {
      if (!std::isnan(result.at(i, j))) {
        rows.push_back(dot_product(left, right, i, j));
        rows.back().name = fmt::format("{}({},{})", name, i + 1, j + 1);
        rows.back().value = {result.at(i, j)};
        rows.back().rest = product->rest;
      }
    }
  }
  return rows;
}

}  // namespace attune::explain
