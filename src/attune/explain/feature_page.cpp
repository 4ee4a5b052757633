// The pages of attention by feature maps: linear and performer, one head. The definition is the quadratic form; beside
// it stand the sums that make it linear.
#include <fmt/format.h>

#include <cmath>

#include "attune/attention/linear_attention.h"
#include "attune/attention/performer.h"
#include "attune/explain/mechanism_page.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/matmul.h"
#include "attune/ops/reshape.h"

namespace attune::explain {

namespace {

using attention::PerformerKernel;

Segments all_of(int64_t tokens) {
  return Segments::equal(1, static_cast<int>(tokens));
}

attention::LinearOptions linear_options(const Setting& s) {
  return {.causal = s.causal};
}
attention::PerformerOptions performer_options(const Setting& s) {
  return {.causal = s.causal, .kernel = s.feature_kernel};
}

void expect_features(Calculation& c, const Setting& s, int64_t features) {
  for (const char* name : {"phi_Q", "phi_K", "dphi_Q", "dphi_K"}) c.expect(name, name, {s.tokens, features});
  for (const char* name : {"U", "dP"}) c.expect(name, name, {s.tokens, s.tokens});
  for (const char* name : {"P", "dU"}) c.expect(name, name, {s.tokens, s.tokens}, 0);
}

Tensor linear_forward(Calculation& c, const Setting& s) {
  const auto [q, k, v] = project(c, s);
  expect_features(c, s, s.depth);
  const Segments tokens = all_of(s.tokens);
  return c.keep(
      "O", reshape(attention::linear_attention(q, k, v, tokens, tokens, linear_options(s)), {s.tokens, s.value_depth}));
}

std::vector<InputSpec> performer_inputs(const Setting& s) {
  std::vector<InputSpec> list = projection_inputs(s);
  if (s.draws_given) {
    list.push_back({"W", {s.features, s.depth}, false});
  }
  return list;
}

Tensor performer_forward(Calculation& c, const Setting& s) {
  const auto [q, k, v] = project(c, s);
  expect_features(c, s, s.features);
  const Segments tokens = all_of(s.tokens);
  const Tensor w =
      s.draws_given
          ? c.input("W")
          : c.keep("W", attention::random_features({s.features, s.depth}, Rng(s.seed), 0, {}, DType::float64));
  return c.keep(
      "O", reshape(attention::performer(q, k, v, w, tokens, tokens, performer_options(s)), {s.tokens, s.value_depth}));
}

// ---- What is laid out from the quantities -------------------------------------------------------------------------

Tensor state(const Calculated& run) {
  return matmul(run.values.at("phi_K"), run.values.at("V"), {.transpose_a = true});
}

Tensor normaliser(const Calculated& run) {
  const Tensor& phi = run.values.at("phi_K");
  return matmul(Tensor::full({1, phi.rows()}, 1, DType::float64), phi);
}

// O by S and z, in a time that does not depend on who else reads them.
Tensor from_state(const Calculated& run) {
  const Tensor& phi = run.values.at("phi_Q");
  const Tensor sums = matmul(phi, state(run)), z = matmul(phi, normaliser(run), {.transpose_b = true});
  const double epsilon = run.values.count("W") == 1 ? 0 : attention::LinearOptions().epsilon;
  Tensor result = sums.clone();
  for (int64_t e = 0; e < sums.elements(); ++e) {
    result.data<double>()[static_cast<size_t>(e)] /= z.at(e / sums.columns()) + epsilon;
  }
  return result;
}

// O token by token as a decoder computes it (float32): step(q, k, v) is given rows [1, 1, depth].
template <class Step>
Tensor by_steps(const Calculated& run, Step&& step) {
  const Tensor &q = run.values.at("Q"), &k = run.values.at("K"), &v = run.values.at("V");
  Tensor result = Tensor::empty(v.shape(), DType::float64);
  for (int64_t i = 0; i < v.rows(); ++i) {
    const auto token = [i](const Tensor& x) {
      return x.rows_view(i, 1).compact().to(DType::float32).viewed({1, 1, x.columns()});
    };
    const Tensor out = step(token(q), token(k), token(v));
    for (int64_t c = 0; c < v.columns(); ++c) {
      result.data<double>()[static_cast<size_t>(i * v.columns() + c)] = out.at(c);
    }
  }
  return result;
}

Tensor linear_steps(const Calculated& run) {
  attention::FeatureState state;
  return by_steps(run, [&](const Tensor& q, const Tensor& k, const Tensor& v) {
    return attention::linear_attention_step(q, k, v, state);
  });
}

std::function<Tensor(const Calculated&)> performer_steps(const Setting& s) {
  return [options = performer_options(s)](const Calculated& run) {
    attention::FeatureState state;
    const Tensor w = run.values.at("W").to(DType::float32);
    return by_steps(run, [&](const Tensor& q, const Tensor& k, const Tensor& v) {
      return attention::performer_step(q, k, v, w, state, options);
    });
  };
}

// exp(q.k / sqrt(depth)), which random features estimate; hidden where U is.
Tensor exact(const Calculated& run) {
  const Tensor &q = run.values.at("Q"), &u = run.values.at("U");
  Tensor result =
      scale(matmul(q, run.values.at("K"), {.transpose_b = true}), 1 / std::sqrt(static_cast<double>(q.columns())));
  for (int64_t e = 0; e < result.elements(); ++e) {
    double& each = result.data<double>()[static_cast<size_t>(e)];
    each = std::isnan(u.at(e)) ? NAN : std::exp(each);
  }
  return result;
}

// ---- Lines ----------------------------------------------------------------------------------------------------------

struct Words {
  std::string map_q, map_k, text;  // equations and message of phi
  std::string plus;                // behind the sum that divides: " + eps"
  std::string back_q, back_k, back_text;
  std::function<Tensor(const Calculated&)> steps;
};

void add_linear_time(const Setting& s, const Words& words, std::vector<Line>& lines) {
  constexpr Axis tokens = Axis::tokens;
  const auto add = [&](Line line, std::function<Tensor(const Calculated&)> value) {
    line.value = std::move(value);
    lines.push_back(std::move(line));
  };
  add({"S_n", "S_n = {phi_K' V}", "feature.S", "S_n = sum_j {phi_k_j' v_j}", {}, {}, true}, state);
  add({"z_n", "z_n = sum_j phi_K_j", "feature.z"}, normaliser);
  const std::string by_state = "{phi_Q_i S_n} / ({phi_Q_i z_n'}" + words.plus + ")";
  if (s.causal) {
    const std::string at_i = "{phi_Q_i S_i} / ({phi_Q_i z_i'}" + words.plus + ")";
    add({"O_step", "O_i = " + at_i + ",  S_i = S_(i-1) + {phi_K_i' V_i}", "feature.steps", "", tokens}, words.steps);
    add({"difference", "O_i - " + at_i, "feature.steps.difference", "", tokens},
        [steps = words.steps](const Calculated& run) { return subtract(run.values.at("O"), steps(run)); });
  } else {
    add({"O_state", "O_i = " + by_state, "feature.O", "", tokens}, from_state);
    add({"difference", "O_i - " + by_state, "feature.difference", "", tokens},
        [](const Calculated& run) { return subtract(run.values.at("O"), from_state(run)); });
  }
}

void add_lines(const Setting& s, const Words& words, bool estimates, Lines& all) {
  constexpr Axis tokens = Axis::tokens;
  std::vector<Line>& forward = all.forward;
  forward.push_back({"phi_Q", words.map_q, words.text, "", tokens});
  forward.push_back({"phi_K", words.map_k, "feature.K", "", tokens, {}, true});
  forward.push_back({"U", "U = {phi_Q phi_K'}", "feature.U", "u_ij = {phi_q_i phi_k_j'}", tokens, tokens});
  if (estimates) {
    forward.push_back({.name = "exact",
                       .equation = "exp({Q K'} / sqrt(d))",
                       .text = "feature.exact",
                       .rows = tokens,
                       .columns = tokens,
                       .value = exact});
    forward.push_back({.name = "error",
                       .equation = "U - exp({Q K'} / sqrt(d))",
                       .text = "feature.error",
                       .rows = tokens,
                       .columns = tokens,
                       .value = [](const Calculated& run) { return subtract(run.values.at("U"), exact(run)); },
                       .arguments = {std::to_string(s.features)}});
  }
  forward.push_back({"P", "P_ij = U_ij / (sum_k U_ik" + words.plus + ")", "feature.P", "", tokens, tokens});
  forward.push_back({"O", "O = {P V}", "feature.quadratic", "b_i = sum_j beta_ij v_j", tokens});
  add_linear_time(s, words, forward);
  all.output = std::string("O");
  std::vector<Line>& backward = all.backward;
  backward = {
      {"dV", "dV = {P' dO}", "attention.dV", "dv_j = sum_i beta_ij db_i", tokens},
      {"dP", "dP = {dO V'}", "attention.dP", "dbeta_ij = {db_i v_j'}", tokens, tokens},
      {"dU", "dU_ij = (dP_ij - sum_k dP_ik P_ik) / (sum_k U_ik" + words.plus + ")", "feature.dU", "", tokens, tokens},
      {"dphi_Q", "dphi_Q = {dU phi_K}", "feature.dphi_Q", "", tokens},
      {"dphi_K", "dphi_K = {dU' phi_Q}", "feature.dphi_K", "", tokens},
      {"dQ", words.back_q, words.back_text, "", tokens},
      {"dK", words.back_k, "feature.dK", "", tokens}};
  add_projection_backward(s, backward);
}

void linear_lines(const Setting& s, Lines& all) {
  add_projection(s, all.forward);
  add_lines(s,
            {.map_q = "phi_Q = elu(Q) + 1",
             .map_k = "phi_K = elu(K) + 1",
             .text = "feature.elu",
             .plus = " + eps",
             .back_q = "dQ = dphi_Q * exp(min(Q, 0))",
             .back_k = "dK = dphi_K * exp(min(K, 0))",
             .back_text = "feature.dQ.elu",
             .steps = linear_steps},
            false, all);
}

void performer_lines(const Setting& s, Lines& all) {
  add_projection(s, all.forward);
  all.forward.push_back(
      {.name = "W", .equation = "W", .text = "feature.W", .all_rows = true, .arguments = {std::to_string(s.features)}});
  const bool exponential = s.feature_kernel == PerformerKernel::exponential;
  const auto map = [&](const char* x) {
    return exponential ? fmt::format("phi_{0} = exp({{{0} W'}} / r - |{0}_i|² / (2 r²)) / sqrt(m)", x)
                       : fmt::format("phi_{0} = (relu({{{0} W'}} / r) + eps) / sqrt(m)", x);
  };
  const auto back = [&](const char* x) {
    return exponential ? fmt::format("d{0}_i = sum_f dphi_if phi_if (W_f / r - {0}_i / r²)", x)
                       : fmt::format("d{0}_i = sum_f dphi_if relu'({{{0}_i W_f'}}) W_f / (r sqrt(m))", x);
  };
  add_lines(s,
            {.map_q = map("Q"),
             .map_k = map("K"),
             .text = exponential ? "feature.exponential" : "feature.relu",
             .plus = "",
             .back_q = back("Q"),
             .back_k = back("K"),
             .back_text = exponential ? "feature.dQ.exponential" : "feature.dQ.relu",
             .steps = performer_steps(s)},
            exponential, all);
}

}  // namespace

std::span<const MechanismPage> feature_pages() {
  static constexpr MechanismPage::Form form{.causal = true, .long_example = true};
  static constexpr MechanismPage::Form drawing{.causal = true, .long_example = true, .drawn = "W"};
  static constexpr MechanismPage pages[]{{"linear", projection_inputs, linear_forward, linear_lines, form},
                                         {"performer", performer_inputs, performer_forward, performer_lines, drawing}};
  return pages;
}

}  // namespace attune::explain
