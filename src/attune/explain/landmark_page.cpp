// The pages of attention over fewer keys than tokens, one head: linformer's learnt projections, nystrom's landmarks.
#include <cmath>

#include "attune/attention/linformer.h"
#include "attune/attention/nystrom.h"
#include "attune/explain/mechanism_page.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/matmul.h"
#include "attune/ops/reshape.h"

namespace attune::explain {

namespace {

Segments all_of(const Setting& s) {
  return Segments::equal(1, static_cast<int>(s.tokens));
}

// ---- Linformer ------------------------------------------------------------------------------------------------------

std::vector<InputSpec> linformer_inputs(const Setting& s) {
  std::vector<InputSpec> list = projection_inputs(s);
  list.push_back({"E", {s.projected_length, s.tokens}});
  list.push_back({"F", {s.projected_length, s.tokens}});
  return list;
}

Tensor linformer_forward(Calculation& c, const Setting& s) {
  const auto [q, k, v] = project(c, s);
  const Shape weights{s.tokens, s.projected_length};
  for (const char* name : {"S", "dP"}) c.expect(name, name, weights);
  for (const char* name : {"P", "dS"}) c.expect(name, name, weights, 0);
  for (const char* name : {"K_E", "V_F"}) c.expect_tensor(name);
  const auto projection = [&](const char* name) { return reshape(c.input(name), {1, s.projected_length, s.tokens}); };
  const Tensor e = projection("E"), f = projection("F");
  return c.keep("O", reshape(attention::linformer({q, k, v, e, f}, all_of(s), all_of(s)), {s.tokens, s.value_depth}));
}

// What the weights of projected values come to.
Tensor projected_back(const Calculated& run) {
  return matmul(run.values.at("P"), run.values.at("F"));
}

void linformer_lines(const Setting& s, Lines& all) {
  constexpr Axis tokens = Axis::tokens;
  const std::vector<std::string> count{std::to_string(s.projected_length)};
  add_projection(s, all.forward);
  append(
      {{.name = "E", .equation = "E", .text = "linformer.E", .columns = tokens, .all_rows = true, .arguments = count},
       {.name = "F", .equation = "F", .text = "linformer.F", .columns = tokens, .all_rows = true, .arguments = count},
       {"K_E", "K_E = {E K}", "linformer.K", "", {}, {}, true},
       {"V_F", "V_F = {F V}", "linformer.V", "", {}, {}, true},
       {"S", "S = {Q K_E'} / sqrt(d)", "attention.S", "alpha_ij = {q_i K_E_j'} / sqrt(d)", tokens},
       {"P", "P = softmax(S)", "linformer.P", "beta_ij = exp(alpha_ij) / sum_k exp(alpha_ik)", tokens},
       {.name = "P_F",
        .equation = "{P F}",
        .text = "linformer.PF",
        .rows = tokens,
        .columns = tokens,
        .value = projected_back},
       {"O", "O = {P V_F}", "linformer.O", "b_i = sum_j beta_ij V_F_j", tokens}},
      all.forward);
  all.backward = {{"dV_F", "dV_F = {P' dO}", "attention.dV", "", {}},
                  {"dP", "dP = {dO V_F'}", "attention.dP", "", tokens}};
  add_jacobian(all.backward, Axis::nothing);
  append({{"dS", "dS_ij = P_ij (dP_ij - sum_k dP_ik P_ik)", "attention.dS.softmax", "", tokens},
          {"dQ", "dQ = {dS K_E} / sqrt(d)", "attention.dQ", "", tokens},
          {"dK_E", "dK_E = {dS' Q} / sqrt(d)", "attention.dK"},
          {"dE", "dE = {dK_E K'}", "linformer.dE", "", {}, tokens},
          {"dF", "dF = {dV_F V'}", "linformer.dF", "", {}, tokens},
          {"dK", "dK = {E' dK_E}", "linformer.dK", "", tokens},
          {"dV", "dV = {F' dV_F}", "linformer.dV", "", tokens}},
         all.backward);
  add_projection_backward(s, all.backward);
  all.weights = projected_back;
}

// ---- Nystrom --------------------------------------------------------------------------------------------------------

std::vector<InputSpec> nystrom_inputs(const Setting& s) {
  std::vector<InputSpec> list = projection_inputs(s);
  if (s.value_kernel > 0) {
    list.push_back({"C", {1, s.value_kernel}});
  }
  return list;
}

Tensor nystrom_forward(Calculation& c, const Setting& s) {
  const auto [q, k, v] = project(c, s);
  const auto expect = [&](const std::string& part, const std::string& scores, const Shape& shape) {
    c.expect("S" + part, scores, shape);
    c.expect("P" + part, part, shape, 0);
    c.expect("dP" + part, "d" + part, shape);
    c.expect("dS" + part, "d" + scores, shape, 0);
  };
  expect("B", "S_B", {s.landmarks, s.tokens});
  expect("F", "S_F", {s.tokens, s.landmarks});
  for (const char* name : {"Q_m", "K_m", "V_m", "U_m"}) c.expect_tensor(name);
  const auto expect_square = [&](const std::string& name) {
    c.expect(name, name, {s.landmarks, s.landmarks});
    c.expect("d" + name, "d" + name, {s.landmarks, s.landmarks});
  };
  expect_square("A_m");
  for (int r = 0; r <= s.landmark_rounds; ++r) expect_square("Z_" + std::to_string(r));
  const attention::NystromOptions options{.landmarks = s.landmarks,
                                          .rounds = s.landmark_rounds,
                                          .convolution = s.value_kernel > 0 ? c.input("C") : Tensor()};
  return c.keep("O", reshape(attention::nystrom(q, k, v, all_of(s), options), {s.tokens, s.value_depth}));
}

Tensor implied(const Calculated& run, const std::string& inverse) {
  return matmul(matmul(run.values.at("F"), run.values.at(inverse)), run.values.at("B"));
}

// With what the convolution adds: its middle tap stands at the token itself.
Tensor implied_with_taps(const Calculated& run, const std::string& inverse) {
  Tensor weights = implied(run, inverse);
  const auto taps = run.values.find("C");
  const int64_t tokens = weights.columns(), count = taps == run.values.end() ? 0 : taps->second.columns();
  for (int64_t i = 0; i < tokens; ++i) {
    for (int64_t t = 0; t < count; ++t) {
      const int64_t j = i + t - count / 2;
      if (j >= 0 && j < tokens) weights.data<double>()[static_cast<size_t>(i * tokens + j)] += taps->second.at(t);
    }
  }
  return weights;
}

// What softmax attention of the same queries and keys weighs by.
Tensor full_attention(const Calculated& run) {
  const Tensor &q = run.values.at("Q"), &k = run.values.at("K");
  const Segments tokens = Segments::equal(1, static_cast<int>(q.rows()));
  return attention::scaled_dot_weights(q.viewed({q.rows(), 1, q.columns()}), k.viewed({k.rows(), 1, k.columns()}),
                                       tokens, tokens, 0)
      .viewed({q.rows(), k.rows()});
}

void add_rounds(const Setting& s, const std::string& last, std::vector<Line>& lines) {
  lines.push_back({"Z_0", "Z_0 = A_m' / max_j sum_i A_m_ij", "nystrom.Z_0", "", {}, {}, true});
  for (int r = 1; r <= s.landmark_rounds; ++r) {
    const std::string before = "Z_" + std::to_string(r - 1), name = "Z_" + std::to_string(r);
    const std::string product = "{A_m " + before + "}";
    lines.push_back({.name = name,
                     .equation = name + " = " + before + " (13 I - " + product + " (15 I - " + product + " (7 I - " +
                                 product + "))) / 4",
                     .text = "nystrom.Z",
                     .all_rows = true,
                     .arguments = {std::to_string(r), std::to_string(s.landmark_rounds)}});
  }
  lines.push_back(
      {.name = "A_m_Z",
       .equation = "{A_m " + last + "}",
       .text = "nystrom.AZ",
       .all_rows = true,
       .value = [last](const Calculated& run) { return matmul(run.values.at("A_m"), run.values.at(last)); }});
}

void nystrom_forward_lines(const Setting& s, const std::string& last, std::vector<Line>& lines) {
  constexpr Axis tokens = Axis::tokens;
  const auto add = [&](Line line) { lines.push_back(std::move(line)); };
  add_projection(s, lines);
  add({.name = "Q_m",
       .equation = "Q_m = mean(Q)",
       .text = "nystrom.Q",
       .all_rows = true,
       .arguments = {std::to_string(s.landmarks)}});
  add({"K_m", "K_m = mean(K)", "nystrom.K", "", {}, {}, true});
  add({"S_B", "S_B = {Q_m K'} / sqrt(d)", "nystrom.S_B", "", {}, tokens});
  add({"B", "B = softmax(S_B)", "nystrom.B", "", {}, tokens, true});
  add({"V_m", "V_m = {B V}", "nystrom.V", "", {}, {}, true});
  add({"A_m", "A_m = softmax({Q_m K_m'} / sqrt(d))", "nystrom.A", "", {}, {}, true});
  add_rounds(s, last, lines);
  add({"U_m", "U_m = {" + last + " V_m}", "nystrom.U", "", {}, {}, true});
  add({"S_F", "S_F = {Q K_m'} / sqrt(d)", "nystrom.S_F", "", tokens});
  add({"F", "F = softmax(S_F)", "nystrom.F", "", tokens});
  const auto lay_out = [&](const char* name, const std::string& equation, const char* text,
                           std::function<Tensor(const Calculated&)> value) {
    add({.name = name,
         .equation = equation,
         .text = text,
         .rows = tokens,
         .columns = tokens,
         .value = std::move(value)});
  };
  const std::string product = "{F " + last + " B}";
  lay_out("P", product, "nystrom.P", [last](const Calculated& run) { return implied(run, last); });
  lay_out("exact", "softmax({Q K'} / sqrt(d))", "nystrom.exact", full_attention);
  lay_out("error", product + " - softmax({Q K'} / sqrt(d))", "nystrom.error",
          [last](const Calculated& run) { return subtract(implied(run, last), full_attention(run)); });
  if (s.value_kernel > 0) {
    add({"C", "C", "nystrom.C"});
    add({"O", "O_i = {F_i U_m} + sum_t C_t V_(i+t-" + std::to_string(s.value_kernel / 2) + ")", "nystrom.O.kernel", "",
         tokens});
    return;
  }
  add({"O", "O = {F U_m}", "nystrom.O", "b_i = sum_j F_ij U_m_j", tokens});
}

void nystrom_lines(const Setting& s, Lines& all) {
  constexpr Axis tokens = Axis::tokens;
  const std::string last = "Z_" + std::to_string(s.landmark_rounds);
  nystrom_forward_lines(s, last, all.forward);
  const auto add = [&](Line line) { all.backward.push_back(std::move(line)); };
  if (s.value_kernel > 0) {
    add({"dC", "dC_t = sum_i {dO_i V_(i+t-" + std::to_string(s.value_kernel / 2) + ")'}", "nystrom.dC"});
  }
  add({"dF", "dF = {dO U_m'}", "attention.dP", "", tokens});
  add({"dS_F", "dS_F_ij = F_ij (dF_ij - sum_k dF_ik F_ik)", "attention.dS.softmax", "", tokens});
  add({"dU_m", "dU_m = {F' dO}", "attention.dV"});
  add({"d" + last, "d" + last + " = {dU_m V_m'}", "nystrom.dZ"});
  for (int r = s.landmark_rounds - 1; r >= 0; --r) {
    const std::string name = "dZ_" + std::to_string(r);
    add({.name = name, .equation = name, .text = "nystrom.dZ.round", .arguments = {std::to_string(r + 1)}});
  }
  add({"dA_m", "dA_m", "nystrom.dA"});
  add({"dV_m", "dV_m = {" + last + "' dU_m}", "nystrom.dV_m"});
  add({"dB", "dB = {dV_m V'}", "attention.dP", "", {}, tokens});
  add({"dS_B", "dS_B_ij = B_ij (dB_ij - sum_k dB_ik B_ik)", "attention.dS.softmax", "", {}, tokens});
  add({"dQ_m", "dQ_m", "nystrom.dQ_m"});
  add({"dK_m", "dK_m", "nystrom.dK_m"});
  add({"dQ", "dQ_i = {dS_F_i K_m} / sqrt(d) + dQ_m_t / n_t", "nystrom.dQ", "", tokens});
  add({"dK", "dK_i = {dS_B_i' Q_m} / sqrt(d) + dK_m_t / n_t", "nystrom.dK", "", tokens});
  add({"dV",
       s.value_kernel > 0 ? "dV = {B' dV_m} + sum_t C_t dO_(i-t+" + std::to_string(s.value_kernel / 2) + ")"
                          : "dV = {B' dV_m}",
       "nystrom.dV", "", tokens});
  add_projection_backward(s, all.backward);
  all.weights = [last](const Calculated& run) { return implied_with_taps(run, last); };
}

}  // namespace

std::span<const MechanismPage> landmark_pages() {
  static constexpr MechanismPage::Form form{.long_example = true};
  static constexpr MechanismPage pages[]{{"linformer", linformer_inputs, linformer_forward, linformer_lines, form},
                                         {"nystrom", nystrom_inputs, nystrom_forward, nystrom_lines, form}};
  return pages;
}

}  // namespace attune::explain
