#include "attune/ops/recurrent_cell.h"

#include "attune/autograd/recorder.h"
#include "attune/autograd/tape.h"
#include "attune/base/profile.h"
#include "attune/ops/recurrent_cell_cpu.h"

namespace attune {

namespace {

void check_cell(const char* op, const Tensor& z, int64_t gates, const Tensor& state) {
  check(z.rank() == 2 && state.rank() == 2 && z.size(0) == state.size(0) && z.size(1) == gates * state.size(1) &&
            z.dtype() == state.dtype(),
        op, ": ", name_of(z.dtype()), " ", z.shape(), " with a state ", name_of(state.dtype()), " ", state.shape(),
        ", expected [n, ", gates, " H] and [n, H] of one type");
}

template <class T>
cpu::Rows<const T> read(const Tensor& x) {
  return x ? cpu::Rows<const T>{x.pointer<T>(), x.columns()} : cpu::Rows<const T>{};
}
template <class T>
cpu::Rows<T> write(Tensor& x) {
  return {x.pointer<T>(), x.columns()};
}

cpu::CellSize size_of(const Tensor& state) {
  return {state.size(0), state.size(1)};
}

Tensor compact_or_none(const Tensor& x) {
  return x ? x.compact() : Tensor();
}

}  // namespace

// saved: the gates, both cells
LstmState lstm_cell(const Tensor& z_given, const Tensor& c_given) {
  const ProfileScope scope("lstm_cell");
  check_cell("lstm_cell", z_given, 4, c_given);
  const Tensor z = z_given.compact(), before = detach(c_given.compact());
  Tensor gates = Tensor::empty(z.shape(), z.dtype());
  Tensor c = Tensor::empty(before.shape(), z.dtype()), h = Tensor::empty(before.shape(), z.dtype());
  dispatch_floating(z.dtype(), [&](auto zero) {
    using T = decltype(zero);
    cpu::run(size_of(h), cpu::LstmForward<T>{read<T>(z), read<T>(before), write<T>(gates), write<T>(c), write<T>(h)});
  });
  record_rows("gates", gates);
  const auto backward = [gates, before, c](std::span<const Tensor> dys, Adjoints& into) {
    const Tensor dh = compact_or_none(dys[0]);
    Tensor dc = dys[1] ? dys[1].clone() : Tensor::zeros(c.shape(), c.dtype());
    Tensor dz = Tensor::empty(gates.shape(), gates.dtype());
    dispatch_floating(c.dtype(), [&](auto zero) {
      using T = decltype(zero);
      cpu::run(size_of(c),
               cpu::LstmBackward<T>{
                   read<T>(gates), read<T>(before), read<T>(c), {read<T>(dh), {}}, write<T>(dc), write<T>(dz)});
    });
    into.add(0, std::move(dz));
    into.add(1, std::move(dc));
  };
  auto results = differentiable("lstm_cell", std::vector<Tensor>{h, c}, {z_given, c_given}, backward);
  return {results[0], results[1]};
}

// saved: the gates, the factor
GruGates gru_gates(const Tensor& z_given, const Tensor& factor_given, const Tensor& base) {
  const ProfileScope scope("gru_gates");
  check_cell("gru_gates", z_given, 2, factor_given);
  if (base) {
    check_cell("gru_gates", base, 1, factor_given);
  }
  const Tensor z = z_given.compact(), factor = detach(factor_given.compact());
  Tensor gates = Tensor::empty(z.shape(), z.dtype());
  Tensor product = base ? base.clone() : Tensor::empty(factor.shape(), z.dtype());
  dispatch_floating(z.dtype(), [&](auto zero) {
    using T = decltype(zero);
    cpu::run(size_of(product),
             cpu::GruGatesForward<T>{read<T>(z), read<T>(factor), write<T>(gates), write<T>(product), !!base});
  });
  record_rows("gates", gates);
  const auto backward = [gates, factor](std::span<const Tensor> dys, Adjoints& into) {
    const Tensor d_product = compact_or_none(dys[0]), d_update = compact_or_none(dys[1]);
    Tensor dz = Tensor::empty(gates.shape(), gates.dtype()), d_factor = Tensor::empty(factor.shape(), gates.dtype());
    dispatch_floating(gates.dtype(), [&](auto zero) {
      using T = decltype(zero);
      cpu::run(size_of(factor), cpu::GruGatesBackward<T>{read<T>(gates), read<T>(factor), read<T>(d_product),
                                                         read<T>(d_update), write<T>(dz), write<T>(d_factor), false});
    });
    into.add(0, std::move(dz));
    into.add(1, std::move(d_factor));
    if (into.wants(2) && d_product) {
      into.add(2, d_product);
    }
  };
  const Tensor update = gates.columns_view(factor.size(1), factor.size(1));
  auto results =
      differentiable("gru_gates", std::vector<Tensor>{product, update}, {z_given, factor_given, base}, backward);
  return {results[0], results[1]};
}

// saved: n, the update gate, the state before
Tensor gru_blend(const Tensor& update_given, const Tensor& candidate_given, const Tensor& h_given) {
  const ProfileScope scope("gru_blend");
  check_cell("gru_blend", update_given, 1, h_given);
  check_cell("gru_blend", candidate_given, 1, h_given);
  const Tensor update = detach(update_given), before = detach(h_given.compact()), candidate = candidate_given.compact();
  Tensor n = Tensor::empty(before.shape(), before.dtype()), h = Tensor::empty(before.shape(), before.dtype());
  const auto rows_of = [](const Tensor& x, auto zero) {  // the update gate may be a view of both gates
    return cpu::Rows<const decltype(zero)>{x.pointer<decltype(zero)>(), x.stride(0)};
  };
  dispatch_floating(h.dtype(), [&](auto zero) {
    using T = decltype(zero);
    cpu::run(size_of(h), cpu::GruBlendForward<T>{read<T>(candidate), rows_of(update, zero), read<T>(before),
                                                 write<T>(n), write<T>(h)});
  });
  record_rows("n", n);
  const auto backward = [n, update, before, rows_of](const Tensor& dy, Adjoints& into) {
    const Tensor dh = dy.compact();
    Tensor d_candidate = Tensor::empty(n.shape(), n.dtype());
    Tensor d_update = Tensor::empty(n.shape(), n.dtype()), d_before = Tensor::empty(n.shape(), n.dtype());
    dispatch_floating(n.dtype(), [&](auto zero) {
      using T = decltype(zero);
      cpu::run(size_of(n), cpu::GruBlendBackward<T>{read<T>(n),
                                                    rows_of(update, zero),
                                                    read<T>(before),
                                                    {read<T>(dh), {}},
                                                    write<T>(d_candidate),
                                                    write<T>(d_update),
                                                    write<T>(d_before)});
    });
    into.add(0, std::move(d_update));
    into.add(1, std::move(d_candidate));
    into.add(2, std::move(d_before));
  };
  return differentiable("gru_blend", h, {update_given, candidate_given, h_given}, backward);
}

}  // namespace attune
