#include "attune/ops/recurrence.h"

#include "attune/ops/arithmetic.h"
#include "attune/ops/concat.h"
#include "attune/ops/embedding.h"
#include "attune/ops/op_checks.h"
#include "attune/ops/permute_rows.h"

namespace attune {
namespace {

using namespace testing;

constexpr std::array cells{Cell::tanh, Cell::gru_reset_before, Cell::gru_reset_after, Cell::lstm};

struct Case {
  Cell cell;
  bool backward;
  std::vector<int> lengths;
  int64_t width;
  bool started;  // from a given state
};

// z packed, the weights, the start: as many as the cell has.
std::vector<Tensor> operands(const Case& c) {
  const Segments segments = Segments::of_lengths(c.lengths);
  const int64_t width = c.width, sequences = segments.count();
  std::vector<Tensor> x{random_tensor({segments.rows(), gates_of(c.cell) * width}, Rng(1))};
  const int64_t gates = is_gru(c.cell) ? 2 : gates_of(c.cell);
  x.push_back(random_tensor({gates * width, width}, Rng(2)));
  if (is_gru(c.cell)) x.push_back(random_tensor({width, width}, Rng(3)));
  if (c.cell == Cell::gru_reset_after) x.push_back(random_tensor({width}, Rng(4)));
  if (c.started) x.push_back(random_tensor({sequences, width}, Rng(5)));
  if (c.started && c.cell == Cell::lstm) x.push_back(random_tensor({sequences, width}, Rng(6)));
  return x;
}

struct Named {
  Tensor z;
  RecurrentWeights weights;
  RecurrentState start;
};

Named named(const Case& c, const std::vector<Tensor>& x) {
  size_t next = 2;
  Named result{x[0], {x[1], {}, {}}, {}};
  if (is_gru(c.cell)) result.weights.candidate = x[next++];
  if (c.cell == Cell::gru_reset_after) result.weights.candidate_bias = x[next++];
  if (c.started) result.start.h = x[next++];
  if (c.started && c.cell == Cell::lstm) result.start.c = x[next++];
  return result;
}

// All outputs under one another, hidden states packed.
Tensor joined(const Tensor& hidden, const RecurrentState& last) {
  std::vector<Tensor> all{hidden, last.h};
  if (last.c) all.push_back(last.c);
  return concat(all, Along::rows);
}

Tensor with_op(const Case& c, const std::vector<Tensor>& x, DType compute = DType::float32) {
  const TimeMajor order(Segments::of_lengths(c.lengths));
  const Named in = named(c, x);
  const auto [hidden, last] = recurrence(permute_rows(in.z, order.packed_row(), order.time_row()), in.weights, order,
                                         in.start, {.cell = c.cell, .backward = c.backward, .compute = compute});
  return joined(permute_rows(hidden, order.time_row(), order.packed_row()), last);
}

// The definition: plain loops over the sequences, their steps and the elements of the state, in float64.
class Definition {
 public:
  Definition(const Case& c, const std::vector<Tensor>& x) : case_(c), in_(named(c, x)) {}

  Tensor operator()() {
    const Segments segments = Segments::of_lengths(case_.lengths);
    Tensor hidden = Tensor::empty({segments.rows(), case_.width}, DType::float64);
    Tensor h = Tensor::empty({segments.count(), case_.width}, DType::float64), c = h.clone();
    for (int s = 0; s < segments.count(); ++s) {
      h_ = start(in_.start.h, s);
      c_ = start(in_.start.c, s);
      for (int i = 0; i < segments.length(s); ++i) {
        const int64_t row = segments.begin(s) + (case_.backward ? segments.length(s) - 1 - i : i);
        step(row);
        std::copy(h_.begin(), h_.end(), hidden.data<double>().begin() + row * case_.width);
      }
      std::copy(h_.begin(), h_.end(), h.data<double>().begin() + s * case_.width);
      std::copy(c_.begin(), c_.end(), c.data<double>().begin() + s * case_.width);
    }
    return joined(hidden, {h, case_.cell == Cell::lstm ? c : Tensor()});
  }

 private:
  static double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
  std::vector<double> start(const Tensor& given, int s) const {
    std::vector<double> row(static_cast<size_t>(case_.width));
    for (int64_t j = 0; given && j < case_.width; ++j) row[static_cast<size_t>(j)] = given.at(s * case_.width + j);
    return row;
  }
  // (U h)_j
  double product(const Tensor& weight, int64_t j, const std::vector<double>& h) const {
    double sum = 0;
    for (size_t k = 0; k < h.size(); ++k) sum += weight.at(j * case_.width + static_cast<int64_t>(k)) * h[k];
    return sum;
  }
  void step(int64_t row) {
    const int64_t width = case_.width;
    const auto& weights = in_.weights;
    const auto before = h_;
    const auto z = [&](int64_t gate, int64_t j) { return in_.z.at((row * gates_of(case_.cell) + gate) * width + j); };
    const auto gate = [&](int64_t g, int64_t j) { return z(g, j) + product(weights.state, g * width + j, before); };
    auto reset = before;
    for (int64_t j = 0; j < width && is_gru(case_.cell); ++j) reset[static_cast<size_t>(j)] *= sigmoid(gate(0, j));
    for (int64_t j = 0; j < width; ++j) {
      double &h = h_[static_cast<size_t>(j)], &c = c_[static_cast<size_t>(j)];
      if (case_.cell == Cell::tanh) {
        h = std::tanh(gate(0, j));
      } else if (case_.cell == Cell::lstm) {
        c = sigmoid(gate(1, j)) * c + sigmoid(gate(0, j)) * std::tanh(gate(2, j));
        h = sigmoid(gate(3, j)) * std::tanh(c);
      } else {
        const double read = case_.cell == Cell::gru_reset_before
                                ? product(weights.candidate, j, reset)
                                : sigmoid(gate(0, j)) * (product(weights.candidate, j, before) +
                                                         (weights.candidate_bias ? weights.candidate_bias.at(j) : 0));
        const double u = sigmoid(gate(1, j)), n = std::tanh(z(2, j) + read);
        h = (1 - u) * n + u * before[static_cast<size_t>(j)];
      }
    }
  }

  Case case_;
  Named in_;
  std::vector<double> h_, c_;
};

std::vector<Case> cases(const std::vector<int>& lengths, int64_t width) {
  std::vector<Case> all;
  for (Cell cell : cells) {
    for (bool backward : {false, true}) {
      for (bool started : {false, true}) all.push_back({cell, backward, lengths, width, started});
    }
  }
  return all;
}

std::string text_of(const Case& c) {
  return "cell " + std::to_string(static_cast<int>(c.cell)) + (c.backward ? ", backward" : ", forward") +
         (c.started ? ", from a state" : "");
}

TEST(Recurrence, is_its_definition) {
  for (const auto& lengths : std::vector<std::vector<int>>{{2, 0, 5, 1, 5}, {1}, {0, 0}, {3, 3}}) {
    for (const Case& c : cases(lengths, 5)) {
      EXPECT_LT(relative_difference(with_op(c, operands(c)), Definition(c, operands(c))()), 1e-14) << text_of(c);
    }
  }
}

TEST(Recurrence, has_the_gradients_of_its_definition) {
  for (const Case& c : cases({2, 0, 3, 1}, 2)) {
    SCOPED_TRACE(text_of(c));
    check_op([&](auto& x) { return with_op(c, x); }, operands(c));
  }
}

TEST(Recurrence, agrees_with_float64_on_wide_states_and_any_number_of_threads) {
  for (const Case& c : cases({9, 4, 30, 17, 4, 1}, 72)) {
    SCOPED_TRACE(text_of(c));
    auto x = operands(c);
    for (Tensor& t : x) t = scale(t, 0.1);
    check_op([&](auto& v) { return with_op(c, v); }, x, {.gradients = false});
  }
}

// What only some of the inputs and outputs are asked for.
TEST(Recurrence, needs_no_gradient_of_constants_or_of_outputs_that_nobody_reads) {
  for (const Case& c : cases({2, 3, 1}, 2)) {
    SCOPED_TRACE(text_of(c));
    const auto x = operands(c);
    for (size_t only = 0; only < x.size(); ++only) {
      check_op(
          [&](auto& v) {
            std::vector<Tensor> all;
            for (const Tensor& t : x) all.push_back(t.to(v[0].dtype()));
            all[only] = v[0];
            return with_op(c, all);
          },
          {x[only]});
    }
    const TimeMajor order(Segments::of_lengths(c.lengths));
    const auto part = [&](auto pick) {
      check_op(
          [&](auto& v) {
            const Named in = named(c, v);
            return pick(recurrence(in.z, in.weights, order, in.start, {.cell = c.cell, .backward = c.backward}));
          },
          x);
    };
    part([](const Recurrence& r) { return r.hidden; });
    part([](const Recurrence& r) { return r.state.h; });
    if (c.cell == Cell::lstm) part([](const Recurrence& r) { return r.state.c; });
  }
}

TEST(Recurrence, of_a_sequence_has_the_same_bits_in_every_batch) {
  for (const Case& c : cases({4, 7, 2, 0, 7, 1, 3}, 24)) {
    SCOPED_TRACE(text_of(c));
    auto x = operands(c);
    for (Tensor& t : x) t = t.to(DType::float32);
    const Tensor all = with_op(c, x);
    const Segments segments = Segments::of_lengths(c.lengths);
    for (int s = 0; s < segments.count(); ++s) {
      Case alone = c;
      alone.lengths = {segments.length(s)};
      auto own = x;
      own[0] = x[0].rows_view(segments.begin(s), segments.length(s));
      for (size_t i = x.size() - (c.started ? (c.cell == Cell::lstm ? 2 : 1) : 0); i < x.size(); ++i) {
        own[i] = x[i].rows_view(s, 1);
      }
      const Tensor single = with_op(alone, own);
      const int64_t length = segments.length(s);
      EXPECT_TRUE(same_bits(single.rows_view(0, length), all.rows_view(segments.begin(s), length)));
      EXPECT_TRUE(same_bits(single.rows_view(length, 1), all.rows_view(segments.rows() + s, 1)));
    }
  }
}

TEST(Recurrence, in_bfloat16_is_near_and_trains) {
  for (const Case& c : cases({4, 7, 2, 0, 7}, 40)) {
    SCOPED_TRACE(text_of(c));
    auto x = operands(c);
    for (Tensor& t : x) t = scale(t, 0.2).to(DType::float32);
    const auto exact = run([&](auto& v) { return with_op(c, v); }, x);
    const auto rounded = run([&](auto& v) { return with_op(c, v, DType::bfloat16); }, x);
    for (size_t i = 0; i < exact.size(); ++i) {
      EXPECT_LT(relative_difference(rounded[i], exact[i]), 0.02) << i;
      EXPECT_FALSE(same_bits(rounded[i], exact[i])) << i;
    }
  }
}

TEST(Recurrence, overwrites_its_input_only_where_nobody_else_holds_it) {
  const Case c{Cell::lstm, false, {3, 2}, 4, false};
  const TimeMajor order(Segments::of_lengths(c.lengths));
  const auto x = operands(c);
  const Tensor kept = x[0].clone();
  const Tensor first = recurrence(x[0], {x[1], {}, {}}, order, {}, {}).hidden;
  EXPECT_TRUE(same_bits(x[0], kept));
  EXPECT_TRUE(same_bits(first, recurrence(kept.clone(), {x[1], {}, {}}, order, {}, {}).hidden));
}

TEST(Recurrence, refuses_what_does_not_fit) {
  const Case c{Cell::gru_reset_after, false, {3, 2}, 4, true};
  const TimeMajor order(Segments::of_lengths(c.lengths));
  const auto x = operands(c);
  const RecurrentWeights weights{x[1], x[2], x[3]};
  const auto error = [&](const Tensor& z, const RecurrentWeights& w, const RecurrentState& start, Cell cell) {
    return error_of([&] { recurrence(z, w, order, start, {.cell = cell}); });
  };
  EXPECT_EQ(error(x[0], weights, {x[4], {}}, Cell::gru_reset_after), "no error");
  EXPECT_NE(error(x[0].rows_view(0, 4), weights, {}, Cell::gru_reset_after).find("5 rows"), std::string::npos);
  EXPECT_NE(error(x[0], {x[1], {}, {}}, {}, Cell::gru_reset_after).find("not given"), std::string::npos);
  EXPECT_NE(error(x[0], weights, {}, Cell::gru_reset_before).find("candidate's bias"), std::string::npos);
  EXPECT_NE(error(x[0], weights, {x[4], x[4]}, Cell::gru_reset_after).find("LSTM"), std::string::npos);
  EXPECT_NE(error(x[0], weights, {}, Cell::lstm).find("state's weight"), std::string::npos);
}

}  // namespace
}  // namespace attune
