#include "attune/explain/sparse_page.h"

#include <algorithm>
#include <cmath>

#include "attune/attention/longformer.h"
#include "attune/base/check.h"
#include "attune/base/option_checks.h"
#include "attune/explain/explain.h"
#include "attune/ops/embedding.h"
#include "attune/ops/matmul.h"
#include "attune/ops/reshape.h"

namespace attune::explain {

namespace {

using attention::BigBird;

// Of each head and block of queries the blocks that were drawn, counted from 1; hidden where there are fewer.
Tensor drawn_blocks(const BigBird& rule, int64_t heads, int blocks) {
  std::vector<std::vector<int>> drawn;
  size_t most = 0;
  for (int head = 0; head < heads; ++head) {
    for (int block = 0; block < blocks; ++block) {
      drawn.push_back(attention::random_blocks(rule, head, block, blocks));
      most = std::max(most, drawn.back().size());
    }
  }
  const auto columns = static_cast<int64_t>(most);
  Tensor result =
      Tensor::full(heads == 1 ? Shape{blocks, columns} : Shape{heads, blocks, columns}, NAN, DType::float64);
  for (size_t row = 0; row < drawn.size(); ++row) {
    for (size_t n = 0; n < drawn[row].size(); ++n) result.data<double>()[row * most + n] = drawn[row][n] + 1;
  }
  return result;
}

struct Told {
  const char* text;
  std::vector<std::string> numbers;
};
std::vector<std::string> texts_of(const std::vector<int>& numbers) {
  std::vector<std::string> texts;
  for (const int number : numbers) texts.push_back(std::to_string(number));
  return texts;
}
Told told(const attention::SlidingWindow& rule) {
  std::string apart;
  for (const std::string& each : texts_of(rule.dilation)) apart.append(apart.empty() ? "" : ", ").append(each);
  return {"pattern.window", {std::to_string(rule.window / 2), apart.empty() ? "1" : apart}};
}
Told told(const attention::StridedPattern& rule) {
  return {"pattern.strided", texts_of({rule.stride})};
}
Told told(const attention::FixedPattern& rule) {
  return {"pattern.fixed", texts_of({rule.stride, rule.summary})};
}
Told told(const BigBird& rule) {
  return {"pattern.bigbird", texts_of({rule.block, rule.window_blocks, rule.global_blocks, rule.random_blocks})};
}

attention::GlobalRows globals_of(const Setting& s) {
  return attention::global_rows(s.pattern->global, Segments::equal(1, static_cast<int>(s.tokens)));
}

}  // namespace

Tensor visible_pairs(const Calculated& run) {
  const Tensor& scores = run.values.at("S");
  Tensor seen = Tensor::zeros(scores.shape(), DType::float64);
  for (int64_t i = 0; i < scores.elements(); ++i) {
    seen.data<double>()[static_cast<size_t>(i)] = std::isnan(scores.at(i)) ? 0 : 1;
  }
  return seen;
}

attention::SparsePattern local_pattern(const ExplainOptions& options) {
  const int window = options.window == 0 ? 2 : options.window;
  check_usage(window % 2 == 0, "window: of local, expected an even number, half of it for each side; got ", window);
  return {attention::SlidingWindow{window, listed_numbers("dilation", options.dilation, {1, 1 << 20})},
          {.leading = options.global_tokens}};
}

attention::SparsePattern sparse_pattern(const ExplainOptions& options) {
  if (options.sparse_pattern == "strided") {
    return {attention::StridedPattern{options.stride}};
  }
  check_usage(options.summary <= options.stride, "summary: expected at most the stride (", options.stride, "), got ",
              options.summary);
  return {attention::FixedPattern{options.stride, options.summary}};
}

attention::SparsePattern bigbird_pattern(const ExplainOptions& options) {
  check_usage(options.window_blocks % 2 == 1,
              "window-blocks: expected an odd number, a token's own block in the middle; got ", options.window_blocks);
  return {BigBird{options.block, options.window_blocks, options.global_blocks, options.random_blocks, options.seed},
          {.leading = options.global_blocks > 0 ? 0 : options.global_tokens}};
}

void add_pattern(const Setting& s, std::vector<Line>& lines) {
  constexpr Axis tokens = Axis::tokens;
  const auto* const bigbird = std::get_if<BigBird>(&s.pattern->rule);
  if (bigbird != nullptr && bigbird->random_blocks > 0) {
    const int behind = std::max(0, static_cast<int>(s.tokens) - s.pattern->global.leading);
    const int blocks = attention::count_blocks(*bigbird, behind);
    const Tensor drawn = drawn_blocks(*bigbird, s.heads, blocks);
    if (drawn.columns() > 0) {
      lines.push_back({.name = "R",
                       .equation = "R",
                       .text = "pattern.random",
                       .rows = bigbird->block == 1 && behind == s.tokens ? tokens : Axis::nothing,
                       .all_rows = true,
                       .value = [drawn](const Calculated&) { return drawn; },
                       .arguments = {std::to_string(blocks)}});
    }
  }
  Told told_of = std::visit([](const auto& rule) { return told(rule); }, s.pattern->rule);
  lines.push_back({.name = "M",
                   .equation = "M",
                   .text = told_of.text,
                   .rows = tokens,
                   .columns = tokens,
                   .all_rows = true,
                   .value = visible_pairs,
                   .arguments = std::move(told_of.numbers)});
}

void add_global_inputs(const Setting& s, std::vector<InputSpec>& list) {
  add_inputs(s, "Wqg", "bqg", {s.width, s.depth}, list);
  add_inputs(s, "Wkg", "bkg", {s.width, s.depth}, list);
  add_inputs(s, "Wvg", "bvg", {s.width, s.value_depth}, list);
}

Tensor attend_with_globals(Calculation& c, const Setting& s, const Tensor& x, const Projected& local,
                           const attention::Options& options) {
  const attention::GlobalRows global = globals_of(s);
  const auto count = static_cast<int64_t>(global.rows.size());
  const Tensor from = c.keep("Xg", embedding(branch(c, "X_gq", x), global.rows));
  const Tensor q = c.keep("Qg", affine(c, s, from, "Wqg", "bqg"));
  const Tensor k = c.keep("Kg", affine(c, s, branch(c, "X_gk", x), "Wkg", "bkg"));
  const Tensor v = c.keep("Vg", affine(c, s, branch(c, "X_gv", x), "Wvg", "bvg"));
  const Shape weights = s.heads == 1 ? Shape{count, s.tokens} : Shape{s.heads, count, s.tokens};
  for (const char* name : {"Sg", "dPg"}) c.expect(name, name, weights);
  for (const char* name : {"Pg", "dSg"}) c.expect(name, name, weights, 0);
  const auto in_heads = [&](const Tensor& t) { return reshape(t, {t.size(0), s.heads, t.columns() / s.heads}); };
  return attention::longformer(local.q, local.k, local.v, {in_heads(q), in_heads(k), in_heads(v)},
                               Segments::equal(1, static_cast<int>(s.tokens)), options);
}

void add_globals(const Setting& s, std::vector<Line>& lines) {
  constexpr Axis tokens = Axis::tokens;
  const bool several = s.heads > 1;
  const auto add = [&](Line line) {
    line.equation = of_head(line.equation, several);
    lines.push_back(std::move(line));
  };
  add({"Xg", "Xg_i = X_i", "global.X", "", tokens});
  for (const char* name : {"Wqg", "Wkg", "Wvg"}) add({name, name, "global.W", "", {}, {}, true});
  add_biases(s, {"bqg", "bkg", "bvg"}, lines);
  add({"Qg", "Qg = {Xg Wqg}" + plus(s, "bqg"), "global.Q", "", tokens});
  add({"Kg", "Kg = {X Wkg}" + plus(s, "bkg"), "global.K", "", tokens, {}, true});
  add({"Vg", "Vg = {X Wvg}" + plus(s, "bvg"), "global.V", "", tokens, {}, true});
  add({"Sg", "Sg# = {Qg# Kg#'} / sqrt(d)", "global.S", "", tokens, tokens});
  add({"Pg", "Pg# = softmax(Sg#)", "global.P", "", tokens, tokens});
}

Tensor weights_with_globals(const Calculated& run) {
  const Tensor &local = run.values.at("P"), &global = run.values.at("Pg");
  Tensor all = local.clone();
  const int64_t tokens = local.columns(), count = global.size(-2);
  for (int64_t head = 0; head < local.elements() / (tokens * tokens); ++head) {  // global tokens are the first ones
    all.viewed({local.elements() / tokens, tokens})
        .rows_view(head * tokens, count)
        .copy_from(global.viewed({global.elements() / tokens, tokens}).rows_view(head * count, count));
  }
  return all;
}

void add_globals_backward(const Setting& s, std::vector<Line>& lines) {
  constexpr Axis tokens = Axis::tokens;
  const bool several = s.heads > 1;
  const auto add = [&](Line line) {
    line.equation = of_head(line.equation, several);
    lines.push_back(std::move(line));
  };
  // Rows of dO that belong to global tokens are the gradients of what Pg mixed.
  const std::string output = several ? "dO_g_h" : "dO_g";
  add({"dVg", "dVg# = {Pg#' " + output + "}", "global.dV", "", tokens});
  add({"dPg", "dPg# = {" + output + " Vg#'}", "attention.dP", "", tokens, tokens});
  add({"dSg", "dSg_ij = Pg_ij (dPg_ij - sum_k dPg_ik Pg_ik)", "attention.dS.softmax", "", tokens, tokens});
  add({"dQg", "dQg# = {dSg# Kg#} / sqrt(d)", "attention.dQ", "", tokens});
  add({"dKg", "dKg# = {dSg#' Qg#} / sqrt(d)", "attention.dK", "", tokens});
  add({"dWqg", "dWqg = {Xg' dQg}", "gradient.weight"});
  add({"dWkg", "dWkg = {X' dKg}", "gradient.weight"});
  add({"dWvg", "dWvg = {X' dVg}", "gradient.weight"});
  for (const auto& [letter, product] : {std::pair{"qg", "Qg"}, {"kg", "Kg"}, {"vg", "Vg"}}) {
    add_bias_backward(s, letter, product, lines);
  }
  add({"dX_gq", "dX_gq = {dQg Wqg'}", "global.dX_q", "", tokens});
  add({"dX_gk", "dX_gk = {dKg Wkg'}", "global.dX_k", "", tokens});
  add({"dX_gv", "dX_gv = {dVg Wvg'}", "global.dX_v", "", tokens});
}

}  // namespace attune::explain
