// Forward, at each step, rows of the running sequences only (h: the states of the step before):
//   tanh, LSTM         z += h U^T;  cell
//   GRU, reset before  (r u) += h U^T;  candidate += (r h) U_n^T;  blend
//   GRU, reset after   (r u) += h U^T;  q = h U_n^T + c_n;  candidate += r q;  blend
// Backward, the steps the other way round: the cell's dz, then dh = dz U; at the end dU = dz^T h over all rows at once.
#include "attune/ops/recurrence.h"

#include <algorithm>
#include <utility>

#include "attune/autograd/tape.h"
#include "attune/base/profile.h"
#include "attune/ops/arithmetic.h"
#include "attune/ops/recurrence_run.h"

namespace attune {

using namespace recurrences;

namespace {

// ---- Forward --------------------------------------------------------------------------------------------------------

// z is overwritten: with the gates.
template <class T, class Operand>
class Forward {
 public:
  Forward(Saved& run, Tensor& z)
      : run_(run), z_(z), width_(run.width), products_(run.order.steps() == 0 ? 0 : run.order.running(0), run.width) {
    const Shape states{run.order.rows(), width_};
    run_.hidden = Tensor::empty(states, z.dtype());
    if (run.options.cell == Cell::lstm) {
      run_.c = Tensor::empty(states, z.dtype());
    } else if (run.options.cell == Cell::gru_reset_after) {
      run_.q = Tensor::empty(states, z.dtype());
    }
  }

  void operator()() {
    for (int i = 0; i < run_.order.steps(); ++i) {
      for (const Part& part : parts_of_step(run_, i)) {
        if (part.rows > 0) {
          this->part(part);
        }
      }
    }
  }

 private:
  void part(const Part& part) {
    const Tensor& before = part.at_start ? run_.start_h : run_.hidden;
    const auto h = rows_of<T>(before, part.before);
    const auto z = rows_of<T>(z_, part.row), next = rows_of<T>(run_.hidden, part.row);
    if (before) {
      products_.template operator()<true>(h, z, {part.rows, width_, run_.weights.state, nullptr, true});
    }
    const cpu::CellSize size{part.rows, width_};
    switch (run_.options.cell) {
      case Cell::tanh:
        return cpu::run(size, cpu::TanhForward<T>{z, next});
      case Cell::lstm:
        return cpu::run(size, cpu::LstmForward<T>{z, rows_of<T>(part.at_start ? run_.start_c : run_.c, part.before), z,
                                                  rows_of<T>(run_.c, part.row), next});
      default:
        gru(part, h, z);
        return cpu::run(size,
                        cpu::GruBlendForward<T>{z.column(2 * width_), z.column(width_), h, z.column(2 * width_), next});
    }
  }

  // The gates, and what they let through of the state into the candidate.
  void gru(const Part& part, const cpu::Rows<const T>& h, const cpu::Rows<T>& z) {
    const cpu::CellSize size{part.rows, width_};
    const auto candidate = z.column(2 * width_);
    if (run_.options.cell == Cell::gru_reset_after) {
      const auto q = rows_of<T>(run_.q, part.row);
      products_.template operator()<true>(
          h, q, {h.data == nullptr ? 0 : part.rows, width_, run_.weights.candidate, bias(), false});
      for (int64_t row = 0; h.data == nullptr && row < part.rows; ++row) {
        bias() == nullptr ? std::fill_n(q.from(row).data, width_, T{0}) : std::copy_n(bias(), width_, q.from(row).data);
      }
      return cpu::run(size, cpu::GruGatesForward<T>{z, q, z, candidate, true});
    }
    Tensor reset = Tensor::empty({part.rows, width_}, dtype_of<T>());
    const auto rows = rows_of<T>(reset, 0);
    cpu::run(size, cpu::GruGatesForward<T>{z, h, z, rows, false});
    if (h.data != nullptr) {
      products_.template operator()<true>(rows, candidate, {part.rows, width_, run_.weights.candidate, nullptr, true});
    }
  }

  const T* bias() const { return run_.weights.candidate_bias ? run_.weights.candidate_bias.pointer<T>() : nullptr; }

  Saved& run_;
  Tensor& z_;
  int64_t width_;
  Products<T, Operand> products_;
};

// ---- Backward -------------------------------------------------------------------------------------------------------

// What arrives at the outputs; each may be missing.
struct Arriving {
  Tensor hidden, last_h, last_c;
};

template <class T, class Operand>
class BackwardRun {
 public:
  BackwardRun(const Saved& run, const Arriving& arriving, bool start_wanted)
      : run_(run),
        dy_(arriving.hidden ? arriving.hidden.compact() : Tensor()),
        start_wanted_(start_wanted),
        width_(run.width),
        products_(run.order.steps() == 0 ? 0 : run.order.running(0), gates_of(run.options.cell) * run.width) {
    dz = Tensor::empty({run.order.rows(), gates_of(run.options.cell) * width_}, dtype_of<T>());
    dh = carried(arriving.last_h);
    if (run.options.cell == Cell::lstm) {
      dc = carried(arriving.last_c);
    } else if (run.options.cell == Cell::gru_reset_after) {
      dq = Tensor::empty({run.order.rows(), width_}, dtype_of<T>());
    }
  }

  void operator()() {
    for (int i = run_.order.steps() - 1; i >= 0; --i) {
      const auto parts = parts_of_step(run_, i);
      for (const Part& part : parts) {
        if (part.rows > 0) {
          this->part(part, part.at_start ? part.before : 0);
        }
      }
    }
  }

  Tensor dz, dq;  // [rows, ...]
  Tensor dh, dc;  // by place: of the state before the rows that were passed

 private:
  Tensor carried(const Tensor& last) const {
    return last ? by_place(run_, last) : Tensor::zeros({run_.order.sequences(), width_}, dtype_of<T>());
  }

  void part(const Part& part, int64_t place) {
    const auto at = [&](const Tensor& x) { return rows_of<T>(x, part.row); };
    const auto before = [&](const Tensor& rows, const Tensor& start) {
      return rows_of<T>(part.at_start ? start : rows, part.before);
    };
    const auto to = rows_of<T>(dz, part.row), later = rows_of<T>(dh, place);
    const auto h_before = before(run_.hidden, run_.start_h);
    const cpu::StateGradient<T> arriving{at(dy_), later};
    const cpu::CellSize size{part.rows, width_};
    const bool wanted = !part.at_start || start_wanted_;  // of the state before
    if (run_.options.cell == Cell::lstm) {
      cpu::run(size, cpu::LstmBackward<T>{at(run_.gates), before(run_.c, run_.start_c), at(run_.c), arriving,
                                          rows_of<T>(dc, place), to});
    } else if (run_.options.cell == Cell::tanh) {
      cpu::run(size, cpu::TanhBackward<T>{at(run_.hidden), arriving, to});
    } else {
      const auto gates = at(run_.gates);
      cpu::run(size, cpu::GruBlendBackward<T>{gates.column(2 * width_), gates.column(width_), h_before, arriving,
                                              to.column(2 * width_), to.column(width_), later});
      gru(part, h_before, later, wanted);
    }
    if (wanted) {
      products_.template operator()<false>(
          to, later, {part.rows, run_.weights.state.size(0), run_.weights.state, nullptr, is_gru(run_.options.cell)});
    }
  }

  // From the candidate to the reset gate, and to the state before: `later`, which holds the update gate's share.
  void gru(const Part& part, const cpu::Rows<const T>& h_before, const cpu::Rows<T>& later, bool wanted) {
    const auto gates = rows_of<T>(run_.gates, part.row);
    const auto to = rows_of<T>(dz, part.row), candidate = to.column(2 * width_);
    const cpu::CellSize size{part.rows, width_};
    if (run_.options.cell == Cell::gru_reset_after) {
      const auto d_q = rows_of<T>(dq, part.row);
      cpu::run(size, cpu::GruGatesBackward<T>{gates, rows_of<T>(std::as_const(run_.q), part.row), candidate,
                                              to.column(width_), to, d_q, false});
      if (wanted) {
        products_.template operator()<false>(d_q, later, {part.rows, width_, run_.weights.candidate, nullptr, true});
      }
      return;
    }
    const bool passes = h_before.data != nullptr || wanted;  // else the reset gate had nothing to let through
    Tensor d_reset = Tensor::empty({passes ? part.rows : 0, width_}, dtype_of<T>());
    const auto d_product = passes ? rows_of<T>(d_reset, 0) : cpu::Rows<T>{};
    if (passes) {
      products_.template operator()<false>(candidate, d_product,
                                           {part.rows, width_, run_.weights.candidate, nullptr, false});
    }
    cpu::run(size, cpu::GruGatesBackward<T>{gates, h_before, d_product, to.column(width_), to,
                                            wanted ? later : cpu::Rows<T>{}, true});
  }

  const Saved& run_;
  Tensor dy_;
  bool start_wanted_;
  int64_t width_;
  Products<T, Operand> products_;
};

// The states before every row, from row `first` on: the rows in front of it all begin from nothing.
template <class T>
Tensor states_before(const Saved& run, int64_t first) {
  Tensor states = Tensor::empty({run.order.rows() - first, run.width}, dtype_of<T>());
  for (int i = 0; i < run.order.steps(); ++i) {
    for (const Part& part : parts_of_step(run, i)) {
      if (part.rows == 0 || part.row < first) {
        continue;
      }
      T* to = states.pointer<T>() + (part.row - first) * run.width;
      const auto from = rows_of<T>(part.at_start ? run.start_h : run.hidden, part.before);
      from.data == nullptr ? std::fill_n(to, part.rows * run.width, T{0})
                           : std::copy_n(from.data, part.rows * run.width, to);
    }
  }
  return states;
}

// into (+)= dz^T states
template <class T, class Operand>
void weight_gradient(const Tensor& dz, const Tensor& states, const Adjoints::Destination& into) {
  const auto read = [](const Tensor& x) {
    return std::is_same_v<T, Operand> ? with_even_rows(x) : rounded_to_bfloat16(x);
  };
  const Tensor a = read(dz), b = read(states);
  Tensor target = into.into;
  kernels::product(as_operand<Operand>(a, true), as_operand<Operand>(b), as_result<T>(target), nullptr,
                   {.accumulate = into.accumulate});
}

enum Input : size_t { input_z, state_weight, candidate_weight, candidate_bias, start_h, start_c };

template <class T, class Operand>
void weight_gradients(const Saved& run, const Tensor& dz, const Tensor& dq, Adjoints& into) {
  const bool from_nothing = !run.start_h && !run.options.backward && run.order.steps() > 0;
  const int64_t first = from_nothing ? run.order.running(0) : 0, rows = run.order.rows() - first;
  const Tensor states = states_before<T>(run, first);
  const Tensor after = dz.rows_view(first, rows);
  if (into.wants(state_weight)) {
    weight_gradient<T, Operand>(after.columns_view(0, run.weights.state.size(0)), states,
                                into.destination(state_weight));
  }
  if (into.wants(candidate_weight) && run.options.cell == Cell::gru_reset_after) {
    weight_gradient<T, Operand>(dq.rows_view(first, rows), states, into.destination(candidate_weight));
  } else if (into.wants(candidate_weight)) {
    const Tensor reset = multiply(states, run.gates.rows_view(first, rows).columns_view(0, run.width));
    weight_gradient<T, Operand>(after.columns_view(2 * run.width, run.width), reset,
                                into.destination(candidate_weight));
  }
  if (into.wants(candidate_bias)) {
    auto [db, accumulate] = into.destination(candidate_bias);
    column_sums(dq, db, {.accumulate = accumulate});
  }
}

template <class T, class Operand>
void recurrence_backward(const Saved& run, const Arriving& arriving, Adjoints& into) {
  BackwardRun<T, Operand> steps(run, arriving, into.wants(start_h) || into.wants(start_c));
  steps();
  if (into.wants(state_weight) || into.wants(candidate_weight) || into.wants(candidate_bias)) {
    weight_gradients<T, Operand>(run, steps.dz, steps.dq, into);
  }
  if (into.wants(start_h)) {
    into.add(start_h, by_sequence(run, steps.dh));
  }
  if (into.wants(start_c)) {
    into.add(start_c, by_sequence(run, steps.dc));
  }
  into.add(input_z, std::move(steps.dz));
}

// ---- The op ---------------------------------------------------------------------------------------------------------

void check_shapes(const Tensor& z, const RecurrentWeights& weights, const TimeMajor& order, const RecurrentState& start,
                  const RecurrenceOptions& options) {
  const int64_t gates = gates_of(options.cell);
  check(z.rank() == 2 && z.size(0) == order.rows() && z.size(1) % gates == 0, "recurrence: z ", z.shape(),
        ", expected ", order.rows(), " rows of ", gates, " equal parts");
  const int64_t width = z.size(1) / gates;
  const auto expect = [&](const char* name, const Tensor& x, const Shape& shape, bool needed) {
    check(x ? x.shape() == shape : !needed, "recurrence: ", name, " is ", x ? x.shape().text() : "not given",
          ", expected ", needed || !x ? "" : "nothing or ", shape.text());
    check(!x || x.dtype() == z.dtype() || x.dtype() == DType::bfloat16, "recurrence: ", name, " is ",
          name_of(x.dtype()), ", z ", name_of(z.dtype()));
  };
  const bool gru = is_gru(options.cell);
  expect("the state's weight", weights.state, {(gru ? 2 : gates) * width, width}, true);
  expect("the candidate's weight", weights.candidate, {width, width}, gru);
  expect("the candidate's bias", weights.candidate_bias, {width}, false);
  expect("h at the start", start.h, {order.sequences(), width}, false);
  expect("c at the start", start.c, {order.sequences(), width}, false);
  check(gru || !weights.candidate, "recurrence: only a GRU has a candidate's weight");
  check(options.cell == Cell::gru_reset_after || !weights.candidate_bias,
        "recurrence: only a GRU whose reset acts after the product has a candidate's bias");
  check(options.cell == Cell::lstm || !start.c, "recurrence: only an LSTM has a c");
}

}  // namespace

Recurrence recurrence(Tensor z, const RecurrentWeights& weights, const TimeMajor& order, const RecurrentState& start,
                      const RecurrenceOptions& options) {
  const ProfileScope scope("recurrence");
  check_shapes(z, weights, order, start, options);
  const bool own = !z.shares_storage() && z.contiguous();
  Saved run{options, order, {}, z.size(1) / gates_of(options.cell), {}, {}, {}, {}, {}, {}};
  run.weights = {detach(weights.state), weights.candidate ? detach(weights.candidate) : Tensor(),
                 weights.candidate_bias ? detach(weights.candidate_bias.compact()) : Tensor()};
  if (weights.state.dtype() == DType::bfloat16) {
    run.options.compute = DType::bfloat16;
  }
  run.start_h = by_place(run, start.h);
  run.start_c = by_place(run, start.c);
  Tensor gates = detach(own ? z : z.clone());
  dispatch_operand(z.dtype(), run.options.compute,
                   [&](auto sum, auto operand) { Forward<decltype(sum), decltype(operand)>(run, gates)(); });
  if (options.cell != Cell::tanh) {
    run.gates = gates;
  }
  const Tensor last_h = final_state(run, run.hidden, run.start_h);
  std::vector<Tensor> outputs{run.hidden, last_h};
  if (options.cell == Cell::lstm) {
    outputs.push_back(final_state(run, run.c, run.start_c));
  }
  std::vector<Tensor> inputs{z, weights.state, weights.candidate, weights.candidate_bias, start.h, start.c};
  const auto results =
      differentiable("recurrence", std::move(outputs), std::move(inputs),
                     [run = std::move(run), type = z.dtype()](std::span<const Tensor> dys, Adjoints& into) {
                       const Arriving arriving{dys[0], dys[1], dys.size() > 2 ? dys[2] : Tensor()};
                       dispatch_operand(type, run.options.compute, [&](auto sum, auto operand) {
                         recurrence_backward<decltype(sum), decltype(operand)>(run, arriving, into);
                       });
                     });
  return {results[0], {results[1], results.size() > 2 ? results[2] : Tensor()}};
}

}  // namespace attune
