#include "attune/explain/mechanism_page.h"

#include <cmath>

#include "attune/ops/arithmetic.h"
#include "attune/ops/matmul.h"

namespace attune::explain {

namespace {

// The first row of a matrix, or of the first head's, as [1, columns]; what is hidden counts as 0.
Tensor first_row(const Tensor& matrix) {
  const int64_t columns = matrix.columns();
  Tensor row = Tensor::zeros({1, columns}, DType::float64);
  for (int64_t j = 0; j < columns; ++j) {
    row.data<double>()[static_cast<size_t>(j)] = std::isnan(matrix.at(j)) ? 0 : matrix.at(j);
  }
  return row;
}

Tensor jacobian(const Tensor& p) {
  Tensor result = scale(matmul(p, p, {.transpose_a = true}), -1);
  for (int64_t j = 0; j < p.columns(); ++j) {
    result.data<double>()[static_cast<size_t>(j * p.columns() + j)] += p.at(j);
  }
  return result;
}

Tensor long_form(const Calculated& run) {
  return matmul(first_row(run.gradients.at("P")), jacobian(first_row(run.values.at("P"))));
}

}  // namespace

std::span<const MechanismPage> mechanism_pages() {
  static const std::vector<MechanismPage> all = [] {
    std::vector<MechanismPage> pages;
    for (const auto& some : {attention_pages(), source_pages(), recurrent_pages(), local_pages(), gating_pages()}) {
      pages.insert(pages.end(), some.begin(), some.end());
    }
    return pages;
  }();
  return all;
}

Tensor branch(Calculation& calculation, const std::string& name, const Tensor& x) {
  return calculation.keep(name, scale(x, 1));
}

void add_jacobian(std::vector<Line>& lines, Axis columns) {
  lines.push_back({.name = "p_1",
                   .equation = "p_1 = P_1",
                   .text = "jacobian.row",
                   .columns = columns,
                   .value = [](const Calculated& run) { return first_row(run.values.at("P")); }});
  lines.push_back({.name = "J_1",
                   .equation = "J_1 = diag(p_1) - {p_1' p_1}",
                   .text = "jacobian.matrix",
                   .rows = columns,
                   .columns = columns,
                   .all_rows = true,
                   .value = [](const Calculated& run) { return jacobian(first_row(run.values.at("P"))); }});
  lines.push_back({.name = "dP_1 J_1",
                   .equation = "dS_1 = {dP_1 J_1}",
                   .text = "jacobian.long",
                   .columns = columns,
                   .value = long_form});
  lines.push_back({.name = "dS_1",
                   .equation = "dS_1 = p_1 * (dP_1 - {dP_1 p_1'})",
                   .text = "jacobian.short",
                   .columns = columns,
                   .value = [](const Calculated& run) { return first_row(run.gradients.at("S")); }});
  lines.push_back(
      {.name = "difference",
       .equation = "{dP_1 J_1} - p_1 * (dP_1 - {dP_1 p_1'})",
       .text = "jacobian.difference",
       .columns = columns,
       .value = [](const Calculated& run) { return subtract(long_form(run), first_row(run.gradients.at("S"))); }});
}

}  // namespace attune::explain
