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

Tensor affine(Calculation& c, const Setting& s, const Tensor& x, const char* weight, const char* bias) {
  const Tensor product = matmul(x, c.input(weight));
  return s.biases ? add(product, reshape(c.input(bias), {product.columns()})) : product;
}

std::string plus(const Setting& s, const char* bias) {
  return s.biases ? std::string(" + ") + bias : "";
}

void add_inputs(const Setting& s, const char* weight, const char* bias, const Shape& shape,
                std::vector<InputSpec>& list) {
  list.push_back({weight, shape});
  if (s.biases) {
    list.push_back({bias, {1, shape[1]}});
  }
}

void add_biases(const Setting& s, std::initializer_list<const char*> names, std::vector<Line>& lines) {
  for (const char* name : names) {
    if (s.biases) {
      lines.push_back({name, name, "recurrent.b", "", {}, {}, true});
    }
  }
}

void add_bias_backward(const Setting& s, const std::string& letter, const std::string& output,
                       std::vector<Line>& lines) {
  if (s.biases) {
    lines.push_back({"db" + letter, "db" + letter + " = sum_i d" + output + "_i", "recurrent.db"});
  }
}

std::vector<InputSpec> projection_inputs(const Setting& s) {
  std::vector<InputSpec> list{{"X", {s.tokens, s.width}, false}};
  add_inputs(s, "Wq", "bq", {s.width, s.depth}, list);
  add_inputs(s, "Wk", "bk", {s.width, s.depth}, list);
  add_inputs(s, "Wv", "bv", {s.width, s.value_depth}, list);
  return list;
}

Projected project(Calculation& c, const Setting& s) {
  const Tensor x = c.input("X");
  const auto projected = [&](const char* name, const char* weight, const char* bias, const char* part) {
    const Tensor result = c.keep(name, affine(c, s, branch(c, part, x), weight, bias));
    return reshape(result, {result.size(0), 1, result.columns()});
  };
  const Tensor q = projected("Q", "Wq", "bq", "X_q"), k = projected("K", "Wk", "bk", "X_k");
  return {q, k, projected("V", "Wv", "bv", "X_v")};
}

void add_projection(const Setting& s, std::vector<Line>& lines) {
  constexpr Axis tokens = Axis::tokens;
  const std::string q = plus(s, "bq"), k = plus(s, "bk"), v = plus(s, "bv");
  append({{"X", "X", "X", "a_i = X_i", tokens, {}, true},
          {"Wq", "Wq", "attention.Wq", "", {}, {}, true},
          {"Wk", "Wk", "attention.Wk", "", {}, {}, true},
          {"Wv", "Wv", "attention.Wv", "", {}, {}, true}},
         lines);
  add_biases(s, {"bq", "bk", "bv"}, lines);
  append({{"Q", "Q = {X Wq}" + q, "attention.Q", "q_i = {a_i Wq}" + q, tokens},
          {"K", "K = {X Wk}" + k, "attention.K", "k_i = {a_i Wk}" + k, tokens, {}, true},
          {"V", "V = {X Wv}" + v, "attention.V", "v_i = {a_i Wv}" + v, tokens, {}, true}},
         lines);
}

void add_projection_backward(const Setting& s, std::vector<Line>& lines) {
  constexpr Axis tokens = Axis::tokens;
  append({{"dWq", "dWq = {X' dQ}", "gradient.weight", "dWq = sum_i {a_i' dq_i}"},
          {"dWk", "dWk = {X' dK}", "gradient.weight", "dWk = sum_i {a_i' dk_i}"},
          {"dWv", "dWv = {X' dV}", "gradient.weight", "dWv = sum_i {a_i' dv_i}"}},
         lines);
  for (const auto& [letter, output] : {std::pair{"q", "Q"}, {"k", "K"}, {"v", "V"}}) {
    add_bias_backward(s, letter, output, lines);
  }
  append({{"dX_q", "dX_q = {dQ Wq'}", "attention.dX_q", "", tokens},
          {"dX_k", "dX_k = {dK Wk'}", "attention.dX_k", "", tokens},
          {"dX_v", "dX_v = {dV Wv'}", "attention.dX_v", "", tokens},
          {"dX", "dX = dX_q + dX_k + dX_v", "attention.dX", "da_i = {dq_i Wq'} + {dk_i Wk'} + {dv_i Wv'}", tokens}},
         lines);
}

std::string of_head(std::string text, bool several) {
  for (size_t at = text.find('#'); at != std::string::npos; at = text.find('#')) {
    text.replace(at, 1, several ? "_h" : "");
  }
  return text;
}

void append(std::initializer_list<Line> more, std::vector<Line>& lines) {
  lines.insert(lines.end(), more);
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
