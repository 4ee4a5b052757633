// The pages of the attention of a recurrent decoder: states H read a source X by one of five scores, or locally.
#include "attune/attention/additive.h"
#include "attune/attention/dot.h"
#include "attune/attention/local.h"
#include "attune/attention/location.h"
#include "attune/explain/mechanism_page.h"
#include "attune/nn/source_attention.h"
#include "attune/ops/activation.h"
#include "attune/ops/matmul.h"
#include "attune/ops/reshape.h"

namespace attune::explain {

namespace {

// What a word means: concat is Luong's name of the additive score; the local windows are shown with dot.
struct Meaning {
  Score score;
  Reach reach;
};
constexpr Meaning with(Score score) {
  return {score, Reach::global};
}
constexpr Meaning within(Reach reach) {
  return {Score::dot, reach};
}

bool is_additive(Score score) {
  return score == Score::additive || score == Score::concat;
}

template <Meaning meaning>
std::vector<InputSpec> inputs(const Setting& s) {
  std::vector<InputSpec> list{{"X", {s.tokens, s.width}, false}, {"H", {s.states, s.state_width}, false}};
  if (is_additive(meaning.score)) {
    list.push_back({"Wq", {s.state_width, s.depth}});
    list.push_back({"Wk", {s.width, s.depth}});
    list.push_back({"v", {1, s.depth}});
  } else if (meaning.score == Score::general) {
    list.push_back({"Wk", {s.width, s.state_width}});
  } else if (meaning.score == Score::location) {
    list.push_back({"Wl", {s.state_width, s.tokens}});
  }
  if (meaning.reach == Reach::local_predictive) {
    list.push_back({"Wp", {s.state_width, s.state_width}});
    list.push_back({"vp", {s.state_width, 1}});
  }
  return list;
}

template <Meaning meaning>
attention::Window window(Calculation& c, const Setting& s, const Tensor& h, const attention::ReadOptions& at) {
  if (meaning.reach == Reach::local_predictive) {
    const Tensor hidden = c.keep("Z", tanh(matmul(branch(c, "H_p", h), c.input("Wp"))));
    const Tensor share = c.keep("r", sigmoid(matmul(hidden, c.input("vp"))));
    const Tensor centre = attention::predicted_centre(share, at.queries, at.keys);
    return {reshape(c.keep("p", reshape(centre, {s.states, 1})), {s.states}), s.window, true};
  }
  if (meaning.reach == Reach::local_monotonic) {
    const Tensor centre = attention::monotonic_centre(at.queries, at.keys, 0, DType::float64);
    c.keep("p", centre.viewed({s.states, 1}));
    return {centre, s.window, false};
  }
  return {};
}

template <Meaning meaning>
Tensor forward(Calculation& c, const Setting& s) {
  const Tensor x = c.input("X"), h = c.input("H");
  attention::ReadOptions at{
      Segments::equal(1, static_cast<int>(s.states)), Segments::equal(1, static_cast<int>(s.tokens)), {}};
  at.window = window<meaning>(c, s, h, at);
  for (const char* name : {"S", "dP"}) c.expect(name, name, {s.states, s.tokens});
  for (const char* name : {"P", "W", "dS"}) c.expect(name, name, {s.states, s.tokens}, 0);
  const Tensor states = meaning.reach == Reach::local_predictive ? branch(c, "H_q", h) : h;
  if constexpr (meaning.score == Score::location) {
    const Tensor scores = c.keep("places", matmul(states, c.input("Wl")));
    return c.keep("O", attention::location(scores, x, at).context);
  }
  if constexpr (meaning.score == Score::dot) {
    return c.keep("O", attention::dot(states, x, x, at).context);
  }
  const Tensor key = c.keep("K", matmul(branch(c, "X_k", x), c.input("Wk"))), value = branch(c, "X_v", x);
  if constexpr (meaning.score == Score::general) {
    return c.keep("O", attention::dot(states, key, value, at).context);
  }
  const Tensor query = c.keep("Q", matmul(states, c.input("Wq")));
  const Tensor vector = reshape(c.input("v"), {s.depth});
  return c.keep("O", attention::additive(query, key, vector, value, at).context);
}

template <Meaning meaning>
void score_lines(std::vector<Line>& list) {
  constexpr Axis tokens = Axis::tokens, states = Axis::states;
  const auto add = [&](Line line) { list.push_back(std::move(line)); };
  if (is_additive(meaning.score)) {
    add({"Wq", "Wq", "source.Wq", "", {}, {}, true});
    add({"Wk", "Wk", "source.Wk", "", {}, {}, true});
    add({"v", "v", "source.v"});
    add({"Q", "Q = {H Wq}", "source.Q", "q_i = {h_i Wq}", states});
    add({"K", "K = {X Wk}", "source.K", "k_j = {a_j Wk}", tokens, {}, true});
    add({"S", "S_ij = {tanh(Q_i+K_j) v'}", "source.S.additive", "alpha_ij = {tanh(q_i+k_j) v'}", states, tokens});
  } else if (meaning.score == Score::general) {
    add({"Wk", "Wk", "source.Wk", "", {}, {}, true});
    add({"K", "K = {X Wk}", "source.K", "k_j = {a_j Wk}", tokens, {}, true});
    add({"S", "S = {H K'}", "source.S.general", "alpha_ij = {h_i k_j'}", states, tokens});
  } else if (meaning.score == Score::location) {
    add({"Wl", "Wl", "source.Wl", "", {}, {}, true});
    add({"S", "S = {H Wl}", "source.S.location", "alpha_i = {h_i Wl}", states, tokens});
  } else {
    add({"S", "S = {H X'}", "source.S.dot", "alpha_ij = {h_i a_j'}", states, tokens});
  }
}

template <Meaning meaning>
void forward_lines(const Setting& s, std::vector<Line>& list) {
  constexpr Axis tokens = Axis::tokens, states = Axis::states;
  const auto add = [&](Line line) { list.push_back(std::move(line)); };
  add({"X", "X", "source.X", "a_j = X_j", tokens, {}, true});
  add({"H", "H", "source.H", "h_i = H_i", states, {}, true});
  const std::string reach = std::to_string(s.window);
  if (meaning.reach == Reach::local_predictive) {
    add({"Wp", "Wp", "source.Wp", "", {}, {}, true});
    add({"vp", "vp", "source.vp", "", {}, {}, true});
    add({"Z", "Z = tanh({H Wp})", "source.Z", "", states});
    add({"r", "r = sigma({Z vp})", "source.share", "", states});
    add({.name = "p", .equation = "p = n r", .text = "source.p.predicted", .rows = states, .arguments = {reach}});
  } else if (meaning.reach == Reach::local_monotonic) {
    add({.name = "p", .equation = "p_i = i", .text = "source.p.monotonic", .rows = states, .arguments = {reach}});
  }
  score_lines<meaning>(list);
  add({"P", "P = softmax(S)", meaning.reach == Reach::global ? "attention.P.softmax" : "source.P.local",
       "beta_ij = exp(alpha_ij) / sum_k exp(alpha_ik)", states, tokens});
  if (meaning.reach == Reach::local_predictive) {
    add({.name = "W",
         .equation = "W_ij = P_ij exp(-(j - p_i)² / (2 (D/2)²))",
         .text = "source.W",
         .rows = states,
         .columns = tokens,
         .arguments = {reach}});
    add({"O", "O = {W X}", "source.O", "c_i = sum_j W_ij a_j", states});
  } else {
    add({"O", "O = {P X}", "source.O", "b_i = sum_j beta_ij a_j", states});
  }
}

template <Meaning meaning>
void backward_lines(std::vector<Line>& list) {
  constexpr Axis tokens = Axis::tokens, states = Axis::states;
  constexpr bool keys = meaning.score != Score::dot && meaning.score != Score::location;
  constexpr bool gaussian = meaning.reach == Reach::local_predictive;
  const auto add = [&](Line line) { list.push_back(std::move(line)); };
  if (keys) {
    add({"dX_v", "dX_v = {P' dO}", "source.dX_v", "da_j = sum_i beta_ij db_i", tokens});
  }
  add({"dP", gaussian ? "dP_ij = {dO_i X_j'} exp(-(j - p_i)² / (2 (D/2)²))" : "dP = {dO X'}",
       gaussian ? "source.dP.gaussian" : "source.dP", gaussian ? "" : "dbeta_ij = {db_i a_j'}", states, tokens});
  add_jacobian(list, tokens);
  add({"dS", "dS_ij = P_ij (dP_ij - sum_k dP_ik P_ik)", "attention.dS.softmax", "", states, tokens});
  if (is_additive(meaning.score)) {
    add({"dv", "dv = sum_ij dS_ij tanh(Q_i+K_j)", "source.dv"});
    add({"dQ", "dQ_i = sum_j dS_ij v * (1 - tanh²(Q_i+K_j))", "source.dQ", "", states});
    add({"dK", "dK_j = sum_i dS_ij v * (1 - tanh²(Q_i+K_j))", "source.dK", "", tokens});
    add({"dWq", "dWq = {H' dQ}", "gradient.weight"});
    add({"dH", "dH = {dQ Wq'}", "gradient.through", "", states});
  } else if (meaning.score == Score::general) {
    add({"dK", "dK = {dS' H}", "source.dK", "", tokens});
    add({"dH", "dH = {dS K}", "source.dH", "", states});
  } else if (meaning.score == Score::location) {
    add({"dWl", "dWl = {H' dS}", "gradient.weight"});
    add({"dH", "dH = {dS Wl'}", "gradient.through", "", states});
  } else if (!gaussian) {
    add({"dH", "dH = {dS X}", "source.dH", "", states});
  }
  if (gaussian) {
    add({"dp", "dp_i = sum_j dW_ij W_ij (j - p_i) / (D/2)²", "source.dp", "", states});
    add({"dr", "dr = n dp", "source.dshare", "", states});
    add({"dvp", "dvp = {Z' (dr*r*(1-r))}", "gradient.weight"});
    add({"dZ", "dZ = {(dr*r*(1-r)) vp'}", "gradient.through", "", states});
    add({"dWp", "dWp = {H' (dZ*(1-Z²))}", "gradient.weight"});
    add({"dH_q", "dH_q = {dS X}", "source.dH", "", states});
    add({"dH_p", "dH_p = {(dZ*(1-Z²)) Wp'}", "gradient.through", "", states});
    add({"dH", "dH = dH_q + dH_p", "source.dH.sum", "", states});
  }
  if (keys) {
    add({"dWk", "dWk = {X' dK}", "gradient.weight"});
    add({"dX_k", "dX_k = {dK Wk'}", "source.dX_k", "", tokens});
    add({"dX", "dX = dX_k + dX_v", "source.dX.sum", "", tokens});
  } else if (meaning.score == Score::location) {
    add({"dX", "dX = {P' dO}", "source.dX_v", "", tokens});
  } else {
    add({"dX", gaussian ? "dX = {W' dO} + {dS' H}" : "dX = {P' dO} + {dS' H}", "source.dX.dot", "", tokens});
  }
}

template <Meaning meaning>
void lines(const Setting& s, Lines& all) {
  forward_lines<meaning>(s, all.forward);
  backward_lines<meaning>(all.backward);
  if (meaning.reach == Reach::local_predictive) {
    all.weights = [](const Calculated& run) { return run.values.at("W"); };
  }
}

template <Meaning meaning>
constexpr MechanismPage page(std::string_view word) {
  return {word, inputs<meaning>, forward<meaning>, lines<meaning>};
}

}  // namespace

std::span<const MechanismPage> source_pages() {
  static constexpr MechanismPage pages[]{
      page<with(Score::additive)>("additive"),         page<with(Score::dot)>("dot"),
      page<with(Score::general)>("general"),           page<with(Score::concat)>("concat"),
      page<with(Score::location)>("location"),         page<within(Reach::local_monotonic)>("local-m"),
      page<within(Reach::local_predictive)>("local-p")};
  return pages;
}

}  // namespace attune::explain
