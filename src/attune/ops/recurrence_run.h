// What the forward and the backward of a recurrence share: what is kept, the steps' rows, and products of such rows
// with a weight. Internal to recurrence.cpp.
#pragma once

#include <algorithm>
#include <array>

#include "attune/kernels/elementwise.h"
#include "attune/ops/embedding.h"
#include "attune/ops/recurrence.h"
#include "attune/ops/recurrent_cell_cpu.h"
#include "attune/ops/weight_product.h"

namespace attune::recurrences {

// What the backward needs. In the order of the time-major rows but for the start, which is by place.
struct Saved {
  RecurrenceOptions options;
  TimeMajor order;
  RecurrentWeights weights;
  int64_t width;
  Tensor start_h, start_c;  // [sequences, H] or not given
  Tensor gates;             // [rows, gates H] after their non-linearities; GRU: r u n; tanh: not given
  Tensor hidden;            // [rows, H]
  Tensor c;                 // LSTM: [rows, H]
  Tensor q;                 // GRU with the reset after the product: U_n h + c_n [rows, H]
};

// The steps in the order in which they are run.
inline int step_at(const Saved& run, int i) {
  return run.options.backward ? run.order.steps() - 1 - i : i;
}

// Rows of one step that have the same kind of predecessor: an earlier step's rows, or the start (by place).
struct Part {
  int64_t row, rows;
  bool at_start;
  int64_t before;  // first row of the predecessor
};

// i: of the steps as they are run. The sequences that are running already, then those that begin.
inline std::array<Part, 2> parts_of_step(const Saved& run, int i) {
  const int step = step_at(run, i);
  const int64_t row = run.order.begin(step), running = run.order.running(step);
  const int before = i == 0 ? -1 : step_at(run, i - 1);
  const int64_t carried = before < 0 ? 0 : std::min<int64_t>(running, run.order.running(before));
  return {Part{row, carried, false, before < 0 ? 0 : run.order.begin(before)},
          Part{row + carried, running - carried, true, carried}};
}

template <class T>
cpu::Rows<T> rows_of(Tensor& x, int64_t row) {
  return x ? cpu::Rows<T>{x.pointer<T>(), x.columns()}.from(row) : cpu::Rows<T>{};
}
template <class T>
cpu::Rows<const T> rows_of(const Tensor& x, int64_t row) {
  return x ? cpu::Rows<const T>{x.pointer<T>(), x.columns()}.from(row) : cpu::Rows<const T>{};
}

// Products of a step's rows with a weight; where they read bfloat16, through rows that are rounded here.
template <class T, class Operand>
class Products {
 public:
  Products(int64_t rows, int64_t columns) {
    if constexpr (!std::is_same_v<T, Operand>) {
      rounded_ = Tensor::empty({rows, columns}, dtype_of<Operand>());
    }
  }

  struct Operation {
    int64_t rows, depth;  // of a: its rows and columns
    const Tensor& weight;
    const T* bias;
    bool accumulate;
  };
  // c (+)= a W^T + bias, or a W
  template <bool transposed>
  void operator()(const cpu::Rows<const T>& a, const cpu::Rows<T>& c, const Operation& op) {
    const int64_t columns = op.weight.size(transposed ? 0 : 1);
    weight_product<Operand, transposed, T>(operand(a, op), op.weight, {c.data, op.rows, columns, c.stride}, op.bias,
                                           {.accumulate = op.accumulate});
  }

 private:
  kernels::Matrix<const Operand> operand(const cpu::Rows<const T>& a, const Operation& op) {
    if constexpr (std::is_same_v<T, Operand>) {
      return {a.data, op.rows, op.depth, a.stride};
    } else {
      const auto columns = static_cast<size_t>(op.depth);
      auto* to = rounded_.pointer<Operand>();
      for (int64_t row = 0; row < op.rows; ++row) {
        kernels::to_bfloat16({to + row * op.depth, columns}, {a.from(row).data, columns});
      }
      return {to, op.rows, op.depth, op.depth};
    }
  }

  Tensor rounded_;
};

// [sequences, H] by place, of a tensor by sequence; not given stays so.
inline Tensor by_place(const Saved& run, const Tensor& by_sequence) {
  return by_sequence ? detach(embedding(detach(by_sequence), run.order.order())) : Tensor();
}
inline Tensor by_sequence(const Saved& run, const Tensor& by_place) {
  return embedding(by_place, run.order.place());
}

// The state after the last rows, by sequence.
inline Tensor final_state(const Saved& run, const Tensor& rows, const Tensor& start) {
  const int64_t sequences = run.order.sequences();
  Tensor last = Tensor::empty({sequences, run.width}, rows.dtype());
  for (int place = 0; place < sequences; ++place) {
    const int length = run.order.length(place);
    Tensor to = last.rows_view(run.order.order()[static_cast<size_t>(place)], 1);
    if (length > 0) {
      to.copy_from(rows.rows_view(run.order.begin(run.options.backward ? 0 : length - 1) + place, 1));
    } else if (start) {
      to.copy_from(start.rows_view(place, 1));
    } else {
      to.fill(0);
    }
  }
  return last;
}

}  // namespace attune::recurrences
