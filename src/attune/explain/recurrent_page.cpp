// The pages of the recurrent mixers, from left to right, step by step with the cells of ops/recurrent_cell.h.
#include "attune/explain/mechanism_page.h"
#include "attune/ops/activation.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/concat.h"
#include "attune/ops/matmul.h"
#include "attune/ops/recurrence.h"
#include "attune/ops/recurrent_cell.h"
#include "attune/ops/reshape.h"

namespace attune::explain {

namespace {

std::string at(const std::string& name, int64_t step) {
  return name + "_" + std::to_string(step);
}

template <Cell cell>
std::vector<InputSpec> inputs(const Setting& s) {
  constexpr int64_t gates = gates_of(cell), recurrent = is_gru(cell) ? 2 : gates;
  std::vector<InputSpec> list{{"X", {s.tokens, s.width}, false},
                              {"W", {s.width, gates * s.width}},
                              {"U", {s.width, recurrent * s.width}},
                              {"b", {1, gates * s.width}}};
  if (is_gru(cell)) {
    list.push_back({"Un", {s.width, s.width}});
    list.push_back({"bn", {1, s.width}});
  }
  list.push_back({"Wo", {s.width, s.width}});
  return list;
}

Tensor plus_row(const Tensor& x, const Tensor& row) {
  return add(x, reshape(row, {row.columns()}));
}

struct Carried {
  Tensor h, c;
};

template <Cell cell>
Carried step(Calculation& c, const Setting& s, int64_t t, const Tensor& x, const Carried& before) {
  const Tensor u = c.kept().at("U");
  const std::string gates = at("g", t);
  if constexpr (cell == Cell::tanh) {
    return {c.keep(at("h", t), tanh(c.keep(at("z", t), add(x, matmul(before.h, u))))), {}};
  } else if constexpr (cell == Cell::lstm) {
    const Tensor z = c.keep(at("z", t), add(x, matmul(before.h, u)));
    c.expect("gates", gates, {1, 4 * s.width});
    const LstmState next = lstm_cell(z, before.c);
    return {c.keep(at("h", t), next.h), c.keep(at("c", t), next.c)};
  } else {
    const int64_t sizes[]{2 * s.width, s.width};
    const auto parts = split(x, sizes, Along::columns);
    const Tensor z = c.keep(at("z", t), add(parts[0], matmul(before.h, u)));
    const Tensor q = c.keep(at("q", t), plus_row(matmul(before.h, c.kept().at("Un")), c.kept().at("bn")));
    c.expect("gates", gates, {1, 2 * s.width});
    const GruGates both = gru_gates(z, q, parts[1]);
    const Tensor candidate = c.keep(at("m", t), both.product);
    c.expect("n", at("n", t), {1, s.width});
    return {c.keep(at("h", t), gru_blend(both.update, candidate, before.h)), {}};
  }
}

template <Cell cell>
Tensor forward(Calculation& c, const Setting& s) {
  const Tensor x = c.input("X"), w = c.input("W");
  c.input("U");
  const Tensor b = c.input("b");
  if (is_gru(cell)) {
    c.input("Un");
    c.input("bn");
  }
  const Tensor shares = c.keep("Z", plus_row(matmul(x, w), b));
  const std::vector<int64_t> ones(static_cast<size_t>(s.tokens), 1);
  const auto rows = split(shares, ones, Along::rows);
  const Tensor zero = Tensor::zeros({1, s.width}, DType::float64);
  Carried state{zero, zero};
  std::vector<Tensor> states;
  for (int64_t t = 0; t < s.tokens; ++t) {
    state = step<cell>(c, s, t + 1, rows[static_cast<size_t>(t)], state);
    states.push_back(state.h);
  }
  const Tensor h = c.keep("H", concat(states, Along::rows));
  return c.keep("Y", matmul(h, c.input("Wo")));
}

std::vector<std::string> gate_labels(const std::string& gates, int64_t width) {
  std::vector<std::string> labels;
  for (const char gate : gates) {
    for (int64_t i = 1; i <= width; ++i) {
      labels.push_back(gate + std::to_string(i));
    }
  }
  return labels;
}

template <Cell cell>
void step_lines(const Setting& s, int64_t t, std::vector<Line>& list) {
  const std::string n = std::to_string(t), p = std::to_string(t - 1);
  const auto add = [&](Line line) { list.push_back(std::move(line)); };
  if constexpr (cell == Cell::tanh) {
    add({"z_" + n, "z_" + n + " = Z_" + n + " + {h_" + p + " U}", "recurrent.z"});
    add({"h_" + n, "h_" + n + " = tanh(z_" + n + ")", "recurrent.h.rnn"});
  } else if constexpr (cell == Cell::lstm) {
    const auto labels = gate_labels("ifgo", s.width);
    add({.name = "z_" + n,
         .equation = "z_" + n + " = Z_" + n + " + {h_" + p + " U}",
         .text = "recurrent.z",
         .column_labels = labels});
    add({.name = "g_" + n,
         .equation = "(i, f, o) = sigma(z_" + n + "),  g = tanh(z_" + n + ")",
         .text = "recurrent.gates.lstm",
         .column_labels = labels});
    add({"c_" + n, "c_" + n + " = f * c_" + p + " + i * g", "recurrent.c"});
    add({"h_" + n, "h_" + n + " = o * tanh(c_" + n + ")", "recurrent.h.lstm"});
  } else {
    const auto labels = gate_labels("ru", s.width);
    add({.name = "z_" + n,
         .equation = "z_" + n + " = Z_" + n + " + {h_" + p + " U}",
         .text = "recurrent.z",
         .column_labels = labels});
    add({.name = "g_" + n,
         .equation = "(r, u) = sigma(z_" + n + ")",
         .text = "recurrent.gates.gru",
         .column_labels = labels});
    add({"q_" + n, "q_" + n + " = {h_" + p + " Un} + bn", "recurrent.q"});
    add({"m_" + n, "m_" + n + " = Z_" + n + " + r * q_" + n, "recurrent.m"});
    add({"n_" + n, "n_" + n + " = tanh(m_" + n + ")", "recurrent.n"});
    add({"h_" + n, "h_" + n + " = (1 - u) * n_" + n + " + u * h_" + p, "recurrent.h.gru"});
  }
}

template <Cell cell>
void step_backward_lines(int64_t t, bool last, std::vector<Line>& list) {
  const std::string n = std::to_string(t);
  const auto add = [&](Line line) { list.push_back(std::move(line)); };
  add({"dh_" + n, "dh_" + n, "recurrent.dh"});
  if constexpr (cell == Cell::tanh) {
    add({"dz_" + n, "dz_" + n + " = dh_" + n + " * (1 - h_" + n + "²)", "recurrent.dz.rnn"});
  } else if constexpr (cell == Cell::lstm) {
    if (!last) {  // nothing reads the last one
      add({"dc_" + n, "dc_" + n, "recurrent.dc"});
    }
    add({"dz_" + n, "dz_" + n, "recurrent.dz.lstm"});
  } else {
    add({"dm_" + n, "dm_" + n + " = dh_" + n + " * (1 - u) * (1 - n_" + n + "²)", "recurrent.dm"});
    add({"dq_" + n, "dq_" + n + " = dm_" + n + " * r", "recurrent.dq"});
    add({"dz_" + n, "dz_" + n, "recurrent.dz.gru"});
  }
}

template <Cell cell>
void lines(const Setting& s, Lines& all) {
  constexpr Axis tokens = Axis::tokens;
  const auto add = [&](Line line) { all.forward.push_back(std::move(line)); };
  const auto back = [&](Line line) { all.backward.push_back(std::move(line)); };
  add({"X", "X", "X", "a_i = X_i", tokens, {}, true});
  const auto gates = gate_labels(cell == Cell::lstm ? "ifgo" : is_gru(cell) ? "run" : "", s.width);
  add({.name = "W", .equation = "W", .text = "recurrent.W", .all_rows = true, .column_labels = gates});
  add({"U", "U", "recurrent.U", "", {}, {}, true});
  add({.name = "b", .equation = "b", .text = "recurrent.b", .column_labels = gates});
  if (is_gru(cell)) {
    add({"Un", "Un", "recurrent.Un", "", {}, {}, true});
    add({"bn", "bn", "recurrent.bn"});
  }
  add({.name = "Z",
       .equation = "Z = {X W} + b",
       .text = "recurrent.Z",
       .vector = "Z_i = {a_i W} + b",
       .rows = tokens,
       .column_labels = gates});
  for (int64_t t = 1; t <= s.tokens; ++t) {
    step_lines<cell>(s, t, all.forward);
  }
  add({"H", "H = (h_1; ...; h_" + std::to_string(s.tokens) + ")", "recurrent.H", "", tokens});
  add({"Wo", "Wo", "attention.Wo", "", {}, {}, true});
  add({"Y", "Y = {H Wo}", "recurrent.Y", "y_i = {h_i Wo}", tokens});
  back({"dWo", "dWo = {H' dY}", "gradient.weight"});
  back({"dH", "dH = {dY Wo'}", "recurrent.dH", "", tokens});
  for (int64_t t = s.tokens; t >= 1; --t) {
    step_backward_lines<cell>(t, t == s.tokens, all.backward);
  }
  back({"dZ", "dZ", "recurrent.dZ", "", tokens});
  back({"dU", "dU = sum_t {h_(t-1)' dz_t}", "recurrent.dU"});
  if (is_gru(cell)) {
    back({"dUn", "dUn = sum_t {h_(t-1)' dq_t}", "recurrent.dU"});
    back({"dbn", "dbn = sum_t dq_t", "recurrent.db"});
  }
  back({"dW", "dW = {X' dZ}", "gradient.weight"});
  back({"db", "db = sum_t dZ_t", "recurrent.db"});
  back({"dX", "dX = {dZ W'}", "gradient.through", "", tokens});
}

template <Cell cell>
constexpr MechanismPage page(std::string_view word) {
  return {word, inputs<cell>, forward<cell>, lines<cell>};
}

}  // namespace

std::span<const MechanismPage> recurrent_pages() {
  static constexpr MechanismPage pages[]{page<Cell::tanh>("rnn"), page<Cell::gru_reset_after>("gru"),
                                         page<Cell::lstm>("lstm")};
  return pages;
}

}  // namespace attune::explain
