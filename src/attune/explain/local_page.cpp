// The pages of the mixers without weights that depend on the tokens: the mean, and the gated convolution.
#include "attune/explain/mechanism_page.h"
#include "attune/ops/activation.h"
#include "attune/ops/convolution.h"
#include "attune/ops/embedding.h"
#include "attune/ops/matmul.h"
#include "attune/ops/reshape.h"
#include "attune/ops/segment_reduce.h"

namespace attune::explain {

namespace {

std::vector<InputSpec> mean_inputs(const Setting& s) {
  return {{"X", {s.tokens, s.width}, false}, {"Wv", {s.width, s.width}}, {"Wo", {s.width, s.width}}};
}

Tensor mean_forward(Calculation& c, const Setting& s) {
  const Tensor x = c.input("X");
  const Tensor v = c.keep("V", matmul(x, c.input("Wv")));
  const Tensor m = c.keep("m", segment_mean(v, Segments::equal(1, static_cast<int>(s.tokens))));
  const Tensor o = c.keep("O", matmul(m, c.input("Wo")));
  const std::vector<int32_t> everywhere(static_cast<size_t>(s.tokens), 0);
  return c.keep("Y", embedding(o, everywhere));
}

void mean_lines(const Setting&, Lines& all) {
  constexpr Axis tokens = Axis::tokens;
  all.forward = {{"X", "X", "X", "a_i = X_i", tokens, {}, true},
                 {"Wv", "Wv", "attention.Wv", "", {}, {}, true},
                 {"V", "V = {X Wv}", "attention.V", "v_i = {a_i Wv}", tokens, {}, true},
                 {"m", "m = sum_j V_j / n", "mean.m"},
                 {"Wo", "Wo", "attention.Wo", "", {}, {}, true},
                 {"O", "O = {m Wo}", "mean.O"},
                 {"Y", "Y_i = O", "mean.Y", "", tokens}};
  all.backward = {{"dO", "dO = sum_i dY_i", "mean.dO"},
                  {"dWo", "dWo = {m' dO}", "gradient.weight"},
                  {"dm", "dm = {dO Wo'}", "gradient.through"},
                  {"dV", "dV_j = dm / n", "mean.dV", "", tokens},
                  {"dWv", "dWv = {X' dV}", "gradient.weight", "dWv = sum_i {a_i' dv_i}"},
                  {"dX", "dX = {dV Wv'}", "gradient.through", "", tokens}};
}

std::vector<InputSpec> convolution_inputs(const Setting& s) {
  return {{"X", {s.tokens, s.width}, false}, {"W", {2 * s.width, s.kernel_width * s.width}}, {"b", {1, 2 * s.width}}};
}

Tensor convolution_forward(Calculation& c, const Setting& s) {
  const Tensor x = c.input("X"), w = c.input("W"), b = c.input("b");
  const Tensor z = c.keep("Z", convolution(x, Segments::equal(1, static_cast<int>(s.tokens)), w,
                                           reshape(b, {2 * s.width}), {.causal = s.causal}));
  c.expect("gates", "G", {s.tokens, s.width});
  return c.keep("O", glu(z));
}

void convolution_lines(const Setting& s, Lines& all) {
  constexpr Axis tokens = Axis::tokens;
  const std::string left = std::to_string(s.causal ? s.kernel_width - 1 : (s.kernel_width - 1) / 2);
  const std::string wide = std::to_string(s.kernel_width);
  all.forward = {{"X", "X", "X", "a_i = X_i", tokens, {}, true},
                 {.name = "W", .equation = "W", .text = "convolution.W", .all_rows = true, .arguments = {wide}},
                 {"b", "b", "recurrent.b"},
                 {.name = "Z",
                  .equation = "Z_t = b + sum_j {X_(t+j-" + left + ") W_j'},  Z = (M, N)",
                  .text = "convolution.Z",
                  .rows = tokens,
                  .arguments = {wide, left}},
                 {"G", "G = sigma(N)", "convolution.G", "", tokens},
                 {"O", "O = M * G", "convolution.O", "", tokens}};
  all.backward = {{"dZ", "dZ = (dO * G, dO * M * G * (1 - G))", "convolution.dZ", "", tokens},
                  {"dW", "dW_j = sum_t {dZ_t' X_(t+j-" + left + ")}", "gradient.weight"},
                  {"db", "db = sum_t dZ_t", "recurrent.db"},
                  {"dX", "dX_s = sum_j {dZ_(s-j+" + left + ") W_j}", "convolution.dX", "", tokens}};
}

}  // namespace

std::span<const MechanismPage> local_pages() {
  static constexpr MechanismPage pages[]{
      {"mean", mean_inputs, mean_forward, mean_lines},
      {"convolution", convolution_inputs, convolution_forward, convolution_lines, {.causal = true}}};
  return pages;
}

}  // namespace attune::explain
