// The page of scaled dot-product attention: one head, or several with their concatenation and the product after it; and
// those of its sparse patterns (sparse_page.cpp has what is theirs alone).
#include <cmath>
#include <limits>

#include "attune/explain/mechanism_page.h"
#include "attune/explain/sparse_page.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/matmul.h"
#include "attune/ops/reshape.h"

namespace attune::explain {

namespace {

using attention::Normaliser;

int64_t keys_of(const Setting& s) {
  return s.memory > 0 ? s.memory : s.tokens;
}

std::vector<InputSpec> inputs(const Setting& s) {
  std::vector<InputSpec> list{{"X", {s.tokens, s.width}, false}};
  if (s.memory > 0) {
    list.push_back({"Z", {s.memory, s.width}, false});
  }
  add_inputs(s, "Wq", "bq", {s.width, s.depth}, list);
  add_inputs(s, "Wk", "bk", {s.width, s.depth}, list);
  add_inputs(s, "Wv", "bv", {s.width, s.value_depth}, list);
  if (s.global_projections) {
    add_global_inputs(s, list);
  }
  if (s.output_product) {
    add_inputs(s, "Wo", "bo", {s.value_depth, s.width}, list);
  }
  return list;
}

Tensor forward(Calculation& c, const Setting& s) {
  const Tensor x = c.input("X"), read = s.memory > 0 ? c.input("Z") : x;
  const std::string source = s.memory > 0 ? "Z" : "X";
  const Tensor q = c.keep("Q", affine(c, s, branch(c, "X_q", x), "Wq", "bq"));
  const Tensor k = c.keep("K", affine(c, s, branch(c, source + "_k", read), "Wk", "bk"));
  const Tensor v = c.keep("V", affine(c, s, branch(c, source + "_v", read), "Wv", "bv"));
  const int64_t keys = keys_of(s);
  const Shape weights = s.heads == 1 ? Shape{s.tokens, keys} : Shape{s.heads, s.tokens, keys};
  for (const char* name : {"QK", "S", "dP"}) c.expect(name, name, weights);
  for (const char* name : {"P", "dS"}) c.expect(name, name, weights, 0);
  attention::Options options;
  options.mask.causal = s.causal;
  options.mask.pattern = s.pattern;
  options.normaliser = s.normaliser;
  const Segments queries = Segments::equal(1, static_cast<int>(s.tokens)),
                 sources = Segments::equal(1, static_cast<int>(keys));
  const auto in_heads = [&](const Tensor& t) { return reshape(t, {t.size(0), s.heads, t.columns() / s.heads}); };
  const Projected projected{in_heads(q), in_heads(k), in_heads(v)};
  const auto attend = [&] {
    if (s.global_projections) return attend_with_globals(c, s, x, projected, options);
    const auto [out, log_sum_exp] =
        attention::scaled_dot_definition(projected.q, projected.k, projected.v, queries, sources, options);
    if (log_sum_exp) c.keep("lse", log_sum_exp);
    return out;
  };
  const Tensor o = c.keep("O", reshape(attend(), {s.tokens, s.value_depth}));
  return s.output_product ? c.keep("Y", affine(c, s, o, "Wo", "bo")) : o;
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

// What reads whom: self-attention X itself, cross-attention Z.
struct Names {
  std::string source, plus_q, plus_k, plus_v, plus_o;  // "X"; " + bq" where there are biases
  Axis keys;

  explicit Names(const Setting& s)
      : source(s.memory > 0 ? "Z" : "X"),
        plus_q(plus(s, "bq")),
        plus_k(plus(s, "bk")),
        plus_v(plus(s, "bv")),
        plus_o(plus(s, "bo")),
        keys(s.memory > 0 ? Axis::memory : Axis::tokens) {}
};

void forward_lines(const Setting& s, std::vector<Line>& list) {
  constexpr Axis tokens = Axis::tokens;
  const bool several = s.heads > 1;
  const Names n(s);
  const std::string source_row = s.memory > 0 ? "z_j" : "a_i", key_row = s.memory > 0 ? "j" : "i";
  const auto add = [&](Line line) {
    line.equation = of_head(line.equation, several);
    list.push_back(std::move(line));
  };
  add({"X", "X", "X", "a_i = X_i", tokens, {}, true});
  if (s.memory > 0) {
    add({"Z", "Z", "attention.Z", "z_j = Z_j", n.keys, {}, true});
  }
  add({"Wq", "Wq", "attention.Wq", "", {}, {}, true});
  add({"Wk", "Wk", "attention.Wk", "", {}, {}, true});
  add({"Wv", "Wv", "attention.Wv", "", {}, {}, true});
  add_biases(s, {"bq", "bk", "bv"}, list);
  add({"Q", "Q = {X Wq}" + n.plus_q, "attention.Q", "q_i = {a_i Wq}" + n.plus_q, tokens});
  const auto from_source = [&](const char* letter, const char* row, const std::string& plus) {
    const std::string name = letter, weight = std::string("W") + row;
    add({name,
         name + " = {" + n.source + " " + weight + "}" + plus,
         "attention." + name,
         std::string(row) + "_" + key_row + " = {" + source_row + " " + weight + "}" + plus,
         n.keys,
         {},
         true});
  };
  from_source("K", "k", n.plus_k);
  from_source("V", "v", n.plus_v);
  if (several) {
    for (const char* name : {"Q", "K", "V"}) {
      const std::string m = name;
      add({.name = m + "_heads",
           .equation = m + " = (" + m + "_1, " + (s.heads > 2 ? "..., " : "") + m + "_" + std::to_string(s.heads) + ")",
           .text = "attention.heads",
           .rows = m == "Q" ? tokens : n.keys,
           .all_rows = true,
           .value = [m, heads = s.heads](const Calculated& run) { return heads_of(run.values.at(m), heads); }});
    }
  }
  add({"QK", "{Q# K#'}", "attention.QK", "{q_i k_j'}", tokens, n.keys});
  add({"S", "S# = {Q# K#'} / sqrt(d)", "attention.S", "alpha_ij = {q_i k_j'} / sqrt(d)", tokens, n.keys});
  if (s.pattern) {
    add_pattern(s, list);
  } else if (s.causal) {
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
  if (softmax && !s.global_projections) {
    add({"lse", "lse_i = log(sum_j exp(S_ij))", "attention.lse", "", tokens, {}, true});
  }
  add({"P", how.forward, std::string("attention.P.") + how.text,
       softmax ? "beta_ij = exp(alpha_ij) / sum_k exp(alpha_ik)" : "", tokens, n.keys});
  if (s.global_projections) {
    add_globals(s, list);
  }
  if (several) {
    add({.name = "O_heads",
         .equation = "O_h = {P_h V_h}",
         .text = "attention.O_heads",
         .vector = "b_i = sum_j beta_ij v_j",
         .rows = tokens,
         .value = [heads = s.heads](const Calculated& run) { return heads_of(run.values.at("O"), heads); }});
    add({"O", "O = concat(O_1, " + std::string(s.heads > 2 ? "..., " : "") + "O_" + std::to_string(s.heads) + ")",
         "attention.concat", "", tokens});
  } else if (s.global_projections) {
    add({"O", "O_i = {P_i V},  O_g = {Pg_g Vg}", "global.O", "", tokens});
  } else {
    add({"O", "O = {P V}", "attention.O", "b_i = sum_j beta_ij v_j", tokens});
  }
  if (s.output_product) {
    add({"Wo", "Wo", "attention.Wo", "", {}, {}, true});
    add_biases(s, {"bo"}, list);
    add({"Y", "Y = {O Wo}" + n.plus_o, "attention.Y", "y_i = {b_i Wo}" + n.plus_o, tokens});
  }
}

void backward_lines(const Setting& s, std::vector<Line>& list) {
  constexpr Axis tokens = Axis::tokens;
  const bool several = s.heads > 1;
  const Names n(s);
  const auto add = [&](Line line) {
    line.equation = of_head(line.equation, several);
    list.push_back(std::move(line));
  };
  if (s.output_product) {
    add_bias_backward(s, "o", "Y", list);
    add({"dWo", "dWo = {O' dY}", "gradient.weight", "dWo = sum_i {b_i' dy_i}"});
    add({"dO", "dO = {dY Wo'}", "gradient.through", "db_i = {dy_i Wo'}", tokens});
  }
  add({"dV", "dV# = {P#' dO#}", "attention.dV", "dv_j = sum_i beta_ij db_i", n.keys});
  add({"dP", "dP# = {dO# V#'}", "attention.dP", "dbeta_ij = {db_i v_j'}", tokens, n.keys});
  if (s.normaliser == Normaliser::softmax && !s.global_projections) {  // whose first token sees nothing in P
    add_jacobian(list, n.keys);
  }
  const Normalising how = normalising(s.normaliser);
  add({"dS", how.backward, std::string("attention.dS.") + (s.normaliser == Normaliser::softmax ? "softmax" : "other"),
       "", tokens, n.keys});
  add({"dQ", "dQ# = {dS# K#} / sqrt(d)", "attention.dQ", "dq_i = sum_j dalpha_ij k_j / sqrt(d)", tokens});
  add({"dK", "dK# = {dS#' Q#} / sqrt(d)", "attention.dK", "dk_j = sum_i dalpha_ij q_i / sqrt(d)", n.keys});
  const std::string of_source = s.memory > 0 ? "sum_j {z_j' " : "sum_i {a_i' ", row = s.memory > 0 ? "_j}" : "_i}";
  add({"dWq", "dWq = {X' dQ}", "gradient.weight", "dWq = sum_i {a_i' dq_i}"});
  add({"dWk", "dWk = {" + n.source + "' dK}", "gradient.weight", "dWk = " + of_source + "dk" + row});
  add({"dWv", "dWv = {" + n.source + "' dV}", "gradient.weight", "dWv = " + of_source + "dv" + row});
  for (const auto& [letter, output] : {std::pair{"q", "Q"}, {"k", "K"}, {"v", "V"}}) {
    add_bias_backward(s, letter, output, list);
  }
  if (s.global_projections) {
    add_globals_backward(s, list);
  }
  if (s.memory > 0) {
    add({"dX", "dX = {dQ Wq'}", "gradient.through", "da_i = {dq_i Wq'}", tokens});
    add({"dZ_k", "dZ_k = {dK Wk'}", "source.dX_k", "", n.keys});
    add({"dZ_v", "dZ_v = {dV Wv'}", "source.dX_v", "", n.keys});
    add({"dZ", "dZ = dZ_k + dZ_v", "source.dX.sum", "dz_j = {dk_j Wk'} + {dv_j Wv'}", n.keys});
    return;
  }
  add({"dX_q", "dX_q = {dQ Wq'}", "attention.dX_q", "", tokens});
  add({"dX_k", "dX_k = {dK Wk'}", "attention.dX_k", "", tokens});
  add({"dX_v", "dX_v = {dV Wv'}", "attention.dX_v", "", tokens});
  if (s.global_projections) {
    add({"dX", "dX = dX_q + dX_k + dX_v + dX_gq + dX_gk + dX_gv", "attention.dX", "", tokens});
    return;
  }
  add({"dX", "dX = dX_q + dX_k + dX_v", "attention.dX", "da_i = {dq_i Wq'} + {dk_i Wk'} + {dv_i Wv'}", tokens});
}

void lines(const Setting& s, Lines& all) {
  forward_lines(s, all.forward);
  backward_lines(s, all.backward);
  if (s.global_projections) {
    all.weights = weights_with_globals;
  }
}

}  // namespace

std::span<const MechanismPage> attention_pages() {
  static constexpr int any = 64;
  static constexpr MechanismPage pages[]{
      {"scaled_dot", inputs, forward, lines, {.normalisers = true, .causal = true, .most_heads = any}},
      {"local",
       inputs,
       forward,
       lines,
       {.normalisers = true, .causal = true, .most_heads = any, .long_example = true, .pattern = local_pattern}},
      {"sparse",
       inputs,
       forward,
       lines,
       {.normalisers = true,
        .causal = true,
        .most_heads = any,
        .least_heads = 2,
        .long_example = true,
        .pattern = sparse_pattern}},
      {"bigbird",
       inputs,
       forward,
       lines,
       {.normalisers = true, .most_heads = any, .long_example = true, .pattern = bigbird_pattern}}};
  return pages;
}

}  // namespace attune::explain
