// The page of scaled dot-product attention: one head, or several with their concatenation and the product after it.
#include <cmath>
#include <limits>

#include "attune/inspect/mechanism_page.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/matmul.h"
#include "attune/ops/reshape.h"

namespace attune::explain {

namespace {

using attention::Normaliser;

std::vector<InputSpec> inputs(const Setting& s) {
  std::vector<InputSpec> list{{"X", {s.tokens, s.width}, false},
                              {"Wq", {s.width, s.depth}},
                              {"Wk", {s.width, s.depth}},
                              {"Wv", {s.width, s.value_depth}}};
  if (s.output_product) {
    list.push_back({"Wo", {s.value_depth, s.width}});
  }
  return list;
}

Tensor forward(Calculation& c, const Setting& s) {
  const Tensor x = c.input("X"), wq = c.input("Wq"), wk = c.input("Wk"), wv = c.input("Wv");
  const Tensor q = c.keep("Q", matmul(branch(c, "X_q", x), wq));
  const Tensor k = c.keep("K", matmul(branch(c, "X_k", x), wk));
  const Tensor v = c.keep("V", matmul(branch(c, "X_v", x), wv));
  const Shape weights = s.heads == 1 ? Shape{s.tokens, s.tokens} : Shape{s.heads, s.tokens, s.tokens};
  for (const char* name : {"QK", "S", "dP"}) c.expect(name, name, weights);
  for (const char* name : {"P", "dS"}) c.expect(name, name, weights, 0);
  attention::Options options;
  options.mask.causal = s.causal;
  options.normaliser = s.normaliser;
  const Segments all = Segments::equal(1, static_cast<int>(s.tokens));
  const auto in_heads = [&](const Tensor& t) { return reshape(t, {s.tokens, s.heads, t.columns() / s.heads}); };
  const attention::Attended attended =
      attention::scaled_dot_definition(in_heads(q), in_heads(k), in_heads(v), all, all, options);
  if (s.normaliser == Normaliser::softmax) {
    c.keep("lse", attended.log_sum_exp);
  }
  const Tensor o = c.keep("O", reshape(attended.out, {s.tokens, s.value_depth}));
  return s.output_product ? c.keep("Y", matmul(o, c.input("Wo"))) : o;
}

// 0 where a token may look, -inf where it may not.
Tensor mask_of(const Calculated& run) {
  const Tensor& scores = run.values.at("S");
  const int64_t rows = scores.size(-2), columns = scores.columns();
  Tensor mask = Tensor::zeros({rows, columns}, DType::float64);
  for (int64_t i = 0; i < rows * columns; ++i) {
    if (std::isnan(scores.at(i))) {
      mask.data<double>()[static_cast<size_t>(i)] = -std::numeric_limits<double>::infinity();
    }
  }
  return mask;
}

Tensor heads_of(const Tensor& joined, int64_t heads) {
  const int64_t rows = joined.size(0), depth = joined.columns() / heads;
  Tensor result = Tensor::zeros({heads, rows, depth}, DType::float64);
  for (int64_t h = 0; h < heads; ++h) {
    result.viewed({heads * rows, depth}).rows_view(h * rows, rows).copy_from(joined.columns_view(h * depth, depth));
  }
  return result;
}

struct Normalising {
  const char *forward, *backward, *text;
};
Normalising normalising(Normaliser normaliser) {
  switch (normaliser) {
    case Normaliser::relu:
      return {"P# = relu(S#)", "dS_ij = dP_ij [S_ij > 0]", "relu"};
    case Normaliser::relu_mean:
      return {"P# = relu(S#) / n", "dS_ij = dP_ij [S_ij > 0] / n", "relu_mean"};
    case Normaliser::relu_sum:
      return {"P_ij = relu(S_ij) / (sum_k relu(S_ik) + eps)",
              "dS_ij = (dP_ij - sum_k dP_ik P_ik) [S_ij > 0] / (sum_k relu(S_ik) + eps)", "relu_sum"};
    case Normaliser::sigmoid:
      return {"P# = sigma(S#)", "dS# = dP# * P# * (1 - P#)", "sigmoid"};
    case Normaliser::softmax:
      break;
  }
  return {"P# = softmax(S#)", "dS_ij = P_ij (dP_ij - sum_k dP_ik P_ik)", "softmax"};
}

// '#': the head's index, where there are several.
std::string of_head(std::string text, bool several) {
  for (size_t at = text.find('#'); at != std::string::npos; at = text.find('#')) {
    text.replace(at, 1, several ? "_h" : "");
  }
  return text;
}

void forward_lines(const Setting& s, std::vector<Line>& list) {
  constexpr Axis tokens = Axis::tokens;
  const bool several = s.heads > 1;
  const auto add = [&](Line line) {
    line.equation = of_head(line.equation, several);
    list.push_back(std::move(line));
  };
  add({"X", "X", "X", "a_i = X_i", tokens, {}, true});
  add({"Wq", "Wq", "attention.Wq", "", {}, {}, true});
  add({"Wk", "Wk", "attention.Wk", "", {}, {}, true});
  add({"Wv", "Wv", "attention.Wv", "", {}, {}, true});
  add({"Q", "Q = {X Wq}", "attention.Q", "q_i = {a_i Wq}", tokens});
  add({"K", "K = {X Wk}", "attention.K", "k_i = {a_i Wk}", tokens, {}, true});
  add({"V", "V = {X Wv}", "attention.V", "v_i = {a_i Wv}", tokens, {}, true});
  if (several) {
    for (const char* name : {"Q", "K", "V"}) {
      const std::string n = name;
      add({.name = n + "_heads",
           .equation = n + " = (" + n + "_1, " + (s.heads > 2 ? "..., " : "") + n + "_" + std::to_string(s.heads) + ")",
           .text = "attention.heads",
           .rows = tokens,
           .all_rows = true,
           .value = [n, heads = s.heads](const Calculated& run) { return heads_of(run.values.at(n), heads); }});
    }
  }
  add({"QK", "{Q# K#'}", "attention.QK", "{q_i k_j'}", tokens, tokens});
  add({"S", "S# = {Q# K#'} / sqrt(d)", "attention.S", "alpha_ij = {q_i k_j'} / sqrt(d)", tokens, tokens});
  if (s.causal) {
    add({.name = "M",
         .equation = "S# + M",
         .text = "attention.M",
         .rows = tokens,
         .columns = tokens,
         .all_rows = true,
         .value = mask_of});
  }
  const Normalising how = normalising(s.normaliser);
  const bool softmax = s.normaliser == Normaliser::softmax;
  if (softmax) {
    add({"lse", "lse_i = log(sum_j exp(S_ij))", "attention.lse", "", tokens, {}, true});
  }
  add({"P", how.forward, std::string("attention.P.") + how.text,
       softmax ? "beta_ij = exp(alpha_ij) / sum_k exp(alpha_ik)" : "", tokens, tokens});
  if (several) {
    add({.name = "O_heads",
         .equation = "O_h = {P_h V_h}",
         .text = "attention.O_heads",
         .vector = "b_i = sum_j beta_ij v_j",
         .rows = tokens,
         .value = [heads = s.heads](const Calculated& run) { return heads_of(run.values.at("O"), heads); }});
    add({"O", "O = concat(O_1, " + std::string(s.heads > 2 ? "..., " : "") + "O_" + std::to_string(s.heads) + ")",
         "attention.concat", "", tokens});
  } else {
    add({"O", "O = {P V}", "attention.O", "b_i = sum_j beta_ij v_j", tokens});
  }
  if (s.output_product) {
    add({"Wo", "Wo", "attention.Wo", "", {}, {}, true});
    add({"Y", "Y = {O Wo}", "attention.Y", "y_i = {b_i Wo}", tokens});
  }
}

void backward_lines(const Setting& s, std::vector<Line>& list) {
  constexpr Axis tokens = Axis::tokens;
  const bool several = s.heads > 1;
  const auto add = [&](Line line) {
    line.equation = of_head(line.equation, several);
    list.push_back(std::move(line));
  };
  if (s.output_product) {
    add({"dWo", "dWo = {O' dY}", "gradient.weight", "dWo = sum_i {b_i' dy_i}"});
    add({"dO", "dO = {dY Wo'}", "gradient.through", "db_i = {dy_i Wo'}", tokens});
  }
  add({"dV", "dV# = {P#' dO#}", "attention.dV", "dv_j = sum_i beta_ij db_i", tokens});
  add({"dP", "dP# = {dO# V#'}", "attention.dP", "dbeta_ij = {db_i v_j'}", tokens, tokens});
  if (s.normaliser == Normaliser::softmax) {
    add_jacobian(list, tokens);
  }
  const Normalising how = normalising(s.normaliser);
  add({"dS", how.backward, std::string("attention.dS.") + (s.normaliser == Normaliser::softmax ? "softmax" : "other"),
       "", tokens, tokens});
  add({"dQ", "dQ# = {dS# K#} / sqrt(d)", "attention.dQ", "dq_i = sum_j dalpha_ij k_j / sqrt(d)", tokens});
  add({"dK", "dK# = {dS#' Q#} / sqrt(d)", "attention.dK", "dk_j = sum_i dalpha_ij q_i / sqrt(d)", tokens});
  add({"dWq", "dWq = {X' dQ}", "gradient.weight", "dWq = sum_i {a_i' dq_i}"});
  add({"dWk", "dWk = {X' dK}", "gradient.weight", "dWk = sum_i {a_i' dk_i}"});
  add({"dWv", "dWv = {X' dV}", "gradient.weight", "dWv = sum_i {a_i' dv_i}"});
  add({"dX_q", "dX_q = {dQ Wq'}", "attention.dX_q", "", tokens});
  add({"dX_k", "dX_k = {dK Wk'}", "attention.dX_k", "", tokens});
  add({"dX_v", "dX_v = {dV Wv'}", "attention.dX_v", "", tokens});
  add({"dX", "dX = dX_q + dX_k + dX_v", "attention.dX", "da_i = {dq_i Wq'} + {dk_i Wk'} + {dv_i Wv'}", tokens});
}

void lines(const Setting& s, Lines& all) {
  forward_lines(s, all.forward);
  backward_lines(s, all.backward);
}

}  // namespace

std::span<const MechanismPage> attention_pages() {
  static constexpr MechanismPage pages[]{{"scaled_dot", inputs, forward, lines}};
  return pages;
}

}  // namespace attune::explain
