#include "attune/explain/mechanism_page.h"

#include <cmath>

#include "attune/ops/arithmetic.h"
#include "attune/ops/matmul.h"
#include "attune/ops/reshape.h"

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
    for (const auto& some : {attention_pages(), source_pages(), recurrent_pages(), local_pages(), gating_pages(),
                             feature_pages(), landmark_pages(), hash_pages()}) {
      pages.insert(pages.end(), some.begin(), some.end());
    }
    return pages;
  }();
  return all;
}

Tensor branch(Calculation& calculation, const std::string& name, const Tensor& x) {
  return calculation.keep(name, scale(x, 1));
}

std::vector<InputSpec> projection_inputs(const Setting& s) {
  return {{"X", {s.tokens, s.width}, false},
          {"Wq", {s.width, s.depth}},
          {"Wk", {s.width, s.depth}},
          {"Wv", {s.width, s.value_depth}}};
}

Projected project(Calculation& c) {
  const Tensor x = c.input("X");
  const auto projected = [&](const char* name, const char* weight, const char* part) {
    const Tensor result = c.keep(name, matmul(branch(c, part, x), c.input(weight)));
    return reshape(result, {result.size(0), 1, result.columns()});
  };
  const Tensor q = projected("Q", "Wq", "X_q"), k = projected("K", "Wk", "X_k");
  return {q, k, projected("V", "Wv", "X_v")};
}

void add_projection(std::vector<Line>& lines) {
  constexpr Axis tokens = Axis::tokens;
  for (const Line& line : std::vector<Line>{{"X", "X", "X", "a_i = X_i", tokens, {}, true},
                                            {"Wq", "Wq", "attention.Wq", "", {}, {}, true},
                                            {"Wk", "Wk", "attention.Wk", "", {}, {}, true},
                                            {"Wv", "Wv", "attention.Wv", "", {}, {}, true},
                                            {"Q", "Q = {X Wq}", "attention.Q", "q_i = {a_i Wq}", tokens},
                                            {"K", "K = {X Wk}", "attention.K", "k_i = {a_i Wk}", tokens, {}, true},
                                            {"V", "V = {X Wv}", "attention.V", "v_i = {a_i Wv}", tokens, {}, true}}) {
    lines.push_back(line);
  }
}

void add_projection_backward(std::vector<Line>& lines) {
  constexpr Axis tokens = Axis::tokens;
  for (const Line& line : std::vector<Line>{
           {"dWq", "dWq = {X' dQ}", "gradient.weight", "dWq = sum_i {a_i' dq_i}"},
           {"dWk", "dWk = {X' dK}", "gradient.weight", "dWk = sum_i {a_i' dk_i}"},
           {"dWv", "dWv = {X' dV}", "gradient.weight", "dWv = sum_i {a_i' dv_i}"},
           {"dX_q", "dX_q = {dQ Wq'}", "attention.dX_q", "", tokens},
           {"dX_k", "dX_k = {dK Wk'}", "attention.dX_k", "", tokens},
           {"dX_v", "dX_v = {dV Wv'}", "attention.dX_v", "", tokens},
           {"dX", "dX = dX_q + dX_k + dX_v", "attention.dX", "da_i = {dq_i Wq'} + {dk_i Wk'} + {dv_i Wv'}", tokens}}) {
    lines.push_back(line);
  }
}

std::string of_head(std::string text, bool several) {
  for (size_t at = text.find('#'); at != std::string::npos; at = text.find('#')) {
    text.replace(at, 1, several ? "_h" : "");
  }
  return text;
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
