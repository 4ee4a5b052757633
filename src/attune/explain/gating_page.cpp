// The page of spatial gating: a gMLP block's inside without the biases of its two projections, as attention's page
// leaves them out.
#include <cmath>

#include "attune/attention/spatial_gating.h"
#include "attune/explain/mechanism_page.h"
#include "attune/ops/activation.h"
#include "attune/ops/matmul.h"
#include "attune/ops/reshape.h"

namespace attune::explain {

namespace {

std::vector<InputSpec> inputs(const Setting& s) {
  const int64_t channels = 2 * s.width;  // of a half of Z
  return {{"X", {s.tokens, s.width}, false},
          {"Wu", {s.width, 2 * channels}},
          {"gn", {1, channels}},
          {"bn", {1, channels}},
          {"W", {s.tokens, s.tokens}},
          {"b", {s.tokens, 1}},
          {"Wo", {channels, s.width}}};
}

Tensor forward(Calculation& c, const Setting& s) {
  const int64_t channels = 2 * s.width;
  const Tensor h = c.keep("H", matmul(c.input("X"), c.input("Wu")));
  const Tensor z = c.keep("Z", gelu(h));
  for (const std::string name : {"N", "G", "dN", "dG"}) c.expect(name, name, {s.tokens, channels});
  const Tensor r =
      attention::spatial_gating({z, reshape(c.input("gn"), {channels}), reshape(c.input("bn"), {channels}),
                                 reshape(c.input("W"), {1, s.tokens, s.tokens}), reshape(c.input("b"), {1, s.tokens})},
                                Segments::equal(1, static_cast<int>(s.tokens)), {.causal = s.causal});
  return c.keep("Y", matmul(c.keep("R", r), c.input("Wo")));
}

// What a causal gate does not read of W is hidden.
Tensor lower_triangle(const Calculated& run) {
  Tensor w = run.values.at("W").clone();
  for (int64_t i = 0; i < w.rows(); ++i) {
    for (int64_t j = i + 1; j < w.columns(); ++j) w.data<double>()[static_cast<size_t>(i * w.columns() + j)] = NAN;
  }
  return w;
}

void lines(const Setting& s, Lines& all) {
  constexpr Axis tokens = Axis::tokens;
  all.forward = {
      {"X", "X", "X", "a_i = X_i", tokens, {}, true},
      {"Wu", "Wu", "gating.Wu", "", {}, {}, true},
      {"H", "H = {X Wu}", "gating.H", "H_i = {a_i Wu}", tokens},
      {"Z", "Z = gelu(H),  Z = (Z1, Z2)", "gating.Z", "", tokens},
      {"gn", "gn", "gating.gn"},
      {"bn", "bn", "gating.bn"},
      {"N", "N_i = gn * (Z2_i - mean(Z2_i)) / s_i + bn", "gating.N", "", tokens},
      {.name = "W", .equation = "W", .text = "gating.W", .rows = tokens, .columns = tokens, .all_rows = true},
      {"b", "b", "gating.b", "", tokens},
      {"G", "G = {W N} + b", "gating.G", "G_i = sum_j W_ij N_j + b_i", tokens},
      {"R", "R = Z1 * G", "gating.R", "", tokens},
      {"Wo", "Wo", "attention.Wo", "", {}, {}, true},
      {"Y", "Y = {R Wo}", "gating.Y", "y_i = {R_i Wo}", tokens}};
  if (s.causal) {
    all.forward[7].value = lower_triangle;
  }
  all.backward = {{"dWo", "dWo = {R' dY}", "gradient.weight"},
                  {"dR", "dR = {dY Wo'}", "gradient.through", "", tokens},
                  {"dG", "dG = dR * Z1", "gating.dG", "", tokens},
                  {.name = "dW", .equation = "dW = {dG N'}", .text = "gating.dW", .rows = tokens, .columns = tokens},
                  {"db", "db_i = sum_c dG_ic", "gating.db", "", tokens},
                  {"dN", "dN = {W' dG}", "gating.dN", "", tokens},
                  {"dgn", "dgn = sum_i dN_i * (N_i - bn) / gn", "gating.dgn"},
                  {"dbn", "dbn = sum_i dN_i", "recurrent.db"},
                  {"dZ", "dZ = (dR * G, dZ2)", "gating.dZ", "", tokens},
                  {"dH", "dH = dZ * (Phi(H) + H * phi(H))", "gating.dH", "", tokens},
                  {"dWu", "dWu = {X' dH}", "gradient.weight", "dWu = sum_i {a_i' dH_i}"},
                  {"dX", "dX = {dH Wu'}", "gradient.through", "", tokens}};
}

}  // namespace

std::span<const MechanismPage> gating_pages() {
  static constexpr MechanismPage pages[]{{"spatial_gating", inputs, forward, lines, {.causal = true}}};
  return pages;
}

}  // namespace attune::explain
