#include "attune/ops/recurrent_cell_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/ops/recurrent_cell_cpu.cpp"
#include <hwy/foreach_target.h>

#include "attune/ops/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {

// One vector of a row: element `at` and the lanes behind it that are inside the row. A missing operand reads as zeros.
template <class T>
struct Lanes {
  using D = hn::ScalableTag<T>;
  using V = hn::Vec<D>;
  size_t row, at, left;

  V operator()(const Rows<const T>& rows, size_t block = 0) const {
    const D d;
    return rows.data == nullptr ? hn::Zero(d) : load(d, place(rows) + block, left);
  }
  V operator()(const StateGradient<T>& gradient) const {
    return hn::Add((*this)(gradient.outer), (*this)(gradient.later));
  }
  void put(const V& v, const Rows<T>& rows, size_t block = 0) const { store(v, D(), place(rows) + block, left); }

  template <class Element>
  Element* place(const Rows<Element>& rows) const {
    return rows.data + static_cast<int64_t>(row) * rows.stride + static_cast<int64_t>(at);
  }
};

// Calls body for every vector of the rows [begin, end).
template <class T, class Body>
HWY_INLINE void each_vector(int64_t begin, int64_t end, int64_t width, Body&& body) {
  const size_t step = hn::Lanes(hn::ScalableTag<T>()), count = static_cast<size_t>(width);
  for (auto row = static_cast<size_t>(begin); row < static_cast<size_t>(end); ++row) {
    for (size_t at = 0; at < count; at += step) {
      body(Lanes<T>{row, at, count - at});
    }
  }
}

// y (1 - y)
template <class D, class V>
HWY_INLINE V sigmoid_slope(D d, V y) {
  return Sigmoid::slope(d, y, y);
}

template <class T>
HWY_INLINE void vector(const TanhForward<T>& cell, const Lanes<T>& at, size_t) {
  const hn::ScalableTag<T> d;
  at.put(hn::Tanh(d, at(cell.z)), cell.h);
}

template <class T>
HWY_INLINE void vector(const TanhBackward<T>& cell, const Lanes<T>& at, size_t) {
  const hn::ScalableTag<T> d;
  const auto h = at(cell.h);
  at.put(hn::Mul(at(cell.dh), Tanh::slope(d, h, h)), cell.dz);
}

template <class T>
HWY_INLINE void vector(const LstmForward<T>& cell, const Lanes<T>& at, size_t width) {
  const hn::ScalableTag<T> d;
  const auto i = logistic(d, at(cell.z)).y, f = logistic(d, at(cell.z, width)).y;
  const auto g = hn::Tanh(d, at(cell.z, 2 * width)), o = logistic(d, at(cell.z, 3 * width)).y;
  const auto c = hn::MulAdd(f, at(cell.c_before), hn::Mul(i, g));
  at.put(i, cell.gates);
  at.put(f, cell.gates, width);
  at.put(g, cell.gates, 2 * width);
  at.put(o, cell.gates, 3 * width);
  at.put(c, cell.c);
  at.put(hn::Mul(o, hn::Tanh(d, c)), cell.h);
}

template <class T>
HWY_INLINE void vector(const LstmBackward<T>& cell, const Lanes<T>& at, size_t width) {
  const hn::ScalableTag<T> d;
  const auto i = at(cell.gates), f = at(cell.gates, width), g = at(cell.gates, 2 * width);
  const auto o = at(cell.gates, 3 * width), tanh_c = hn::Tanh(d, at(cell.c)), dh = at(cell.dh);
  const auto dc = hn::MulAdd(hn::Mul(dh, o), Tanh::slope(d, tanh_c, tanh_c), at(cell.dc));
  at.put(hn::Mul(hn::Mul(dc, g), sigmoid_slope(d, i)), cell.dz);
  at.put(hn::Mul(hn::Mul(dc, at(cell.c_before)), sigmoid_slope(d, f)), cell.dz, width);
  at.put(hn::Mul(hn::Mul(dc, i), Tanh::slope(d, g, g)), cell.dz, 2 * width);
  at.put(hn::Mul(hn::Mul(dh, tanh_c), sigmoid_slope(d, o)), cell.dz, 3 * width);
  at.put(hn::Mul(dc, f), cell.dc);
}

template <class T>
HWY_INLINE void vector(const GruGatesForward<T>& cell, const Lanes<T>& at, size_t width) {
  const hn::ScalableTag<T> d;
  const auto r = logistic(d, at(cell.z)).y, u = logistic(d, at(cell.z, width)).y;
  at.put(r, cell.gates);
  at.put(u, cell.gates, width);
  const auto sum = cell.accumulate ? at(Rows<const T>(cell.product)) : hn::Zero(d);
  at.put(hn::MulAdd(r, at(cell.factor), sum), cell.product);
}

template <class T>
HWY_INLINE void vector(const GruGatesBackward<T>& cell, const Lanes<T>& at, size_t width) {
  const hn::ScalableTag<T> d;
  const auto r = at(cell.gates), u = at(cell.gates, width), dp = at(cell.d_product);
  at.put(hn::Mul(hn::Mul(dp, at(cell.factor)), sigmoid_slope(d, r)), cell.dz);
  at.put(hn::Mul(at(cell.d_update), sigmoid_slope(d, u)), cell.dz, width);
  if (cell.d_factor.data != nullptr) {
    const auto sum = cell.accumulate ? at(Rows<const T>(cell.d_factor)) : hn::Zero(d);
    at.put(hn::MulAdd(dp, r, sum), cell.d_factor);
  }
}

template <class T>
HWY_INLINE void vector(const GruBlendForward<T>& cell, const Lanes<T>& at, size_t) {
  const hn::ScalableTag<T> d;
  const auto n = hn::Tanh(d, at(cell.candidate));
  at.put(n, cell.n);
  at.put(hn::MulAdd(at(cell.update), hn::Sub(at(cell.h_before), n), n), cell.h);
}

template <class T>
HWY_INLINE void vector(const GruBlendBackward<T>& cell, const Lanes<T>& at, size_t) {
  const hn::ScalableTag<T> d;
  const auto n = at(cell.n), u = at(cell.update), dh = at(cell.dh);
  at.put(hn::Mul(hn::NegMulAdd(dh, u, dh), Tanh::slope(d, n, n)), cell.d_candidate);
  at.put(hn::Mul(dh, hn::Sub(at(cell.h_before), n)), cell.d_update);
  at.put(hn::Mul(dh, u), cell.d_before);
}

template <class T, class Cell>
void rows_of(const Cell& cell, int64_t begin, int64_t end, int64_t width) {
  each_vector<T>(begin, end, width, [&](const Lanes<T>& at) HWY_ATTR { vector(cell, at, static_cast<size_t>(width)); });
}

void tanh_forward_f32(const TanhForward<float>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<float>(cell, begin, end, width);
}
void tanh_forward_f64(const TanhForward<double>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<double>(cell, begin, end, width);
}
void tanh_backward_f32(const TanhBackward<float>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<float>(cell, begin, end, width);
}
void tanh_backward_f64(const TanhBackward<double>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<double>(cell, begin, end, width);
}
void lstm_forward_f32(const LstmForward<float>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<float>(cell, begin, end, width);
}
void lstm_forward_f64(const LstmForward<double>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<double>(cell, begin, end, width);
}
void lstm_backward_f32(const LstmBackward<float>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<float>(cell, begin, end, width);
}
void lstm_backward_f64(const LstmBackward<double>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<double>(cell, begin, end, width);
}
void gru_gates_forward_f32(const GruGatesForward<float>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<float>(cell, begin, end, width);
}
void gru_gates_forward_f64(const GruGatesForward<double>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<double>(cell, begin, end, width);
}
void gru_gates_backward_f32(const GruGatesBackward<float>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<float>(cell, begin, end, width);
}
void gru_gates_backward_f64(const GruGatesBackward<double>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<double>(cell, begin, end, width);
}
void gru_blend_forward_f32(const GruBlendForward<float>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<float>(cell, begin, end, width);
}
void gru_blend_forward_f64(const GruBlendForward<double>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<double>(cell, begin, end, width);
}
void gru_blend_backward_f32(const GruBlendBackward<float>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<float>(cell, begin, end, width);
}
void gru_blend_backward_f64(const GruBlendBackward<double>& cell, int64_t begin, int64_t end, int64_t width) {
  rows_of<double>(cell, begin, end, width);
}

}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "attune/base/parallel.h"

namespace attune::cpu {
HWY_EXPORT(tanh_forward_f32);
HWY_EXPORT(tanh_forward_f64);
HWY_EXPORT(tanh_backward_f32);
HWY_EXPORT(tanh_backward_f64);
HWY_EXPORT(lstm_forward_f32);
HWY_EXPORT(lstm_forward_f64);
HWY_EXPORT(lstm_backward_f32);
HWY_EXPORT(lstm_backward_f64);
HWY_EXPORT(gru_gates_forward_f32);
HWY_EXPORT(gru_gates_forward_f64);
HWY_EXPORT(gru_gates_backward_f32);
HWY_EXPORT(gru_gates_backward_f64);
HWY_EXPORT(gru_blend_forward_f32);
HWY_EXPORT(gru_blend_forward_f64);
HWY_EXPORT(gru_blend_backward_f32);
HWY_EXPORT(gru_blend_backward_f64);

namespace {
constexpr int64_t grain = 4096;  // elements of a state worth a thread

template <class Body>
void each_part(const CellSize& size, Body&& body) {
  parallel_for(size.rows, grain / std::max<int64_t>(1, size.width) + 1, body);
}
}  // namespace

template <class T>
void run(const CellSize& size, const TanhForward<T>& cell) {
  each_part(size, [&](int64_t begin, int64_t end) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(tanh_forward_f32)(cell, begin, end, size.width);
    } else {
      HWY_DYNAMIC_DISPATCH(tanh_forward_f64)(cell, begin, end, size.width);
    }
  });
}
template <class T>
void run(const CellSize& size, const TanhBackward<T>& cell) {
  each_part(size, [&](int64_t begin, int64_t end) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(tanh_backward_f32)(cell, begin, end, size.width);
    } else {
      HWY_DYNAMIC_DISPATCH(tanh_backward_f64)(cell, begin, end, size.width);
    }
  });
}
template <class T>
void run(const CellSize& size, const LstmForward<T>& cell) {
  each_part(size, [&](int64_t begin, int64_t end) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(lstm_forward_f32)(cell, begin, end, size.width);
    } else {
      HWY_DYNAMIC_DISPATCH(lstm_forward_f64)(cell, begin, end, size.width);
    }
  });
}
template <class T>
void run(const CellSize& size, const LstmBackward<T>& cell) {
  each_part(size, [&](int64_t begin, int64_t end) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(lstm_backward_f32)(cell, begin, end, size.width);
    } else {
      HWY_DYNAMIC_DISPATCH(lstm_backward_f64)(cell, begin, end, size.width);
    }
  });
}
template <class T>
void run(const CellSize& size, const GruGatesForward<T>& cell) {
  each_part(size, [&](int64_t begin, int64_t end) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(gru_gates_forward_f32)(cell, begin, end, size.width);
    } else {
      HWY_DYNAMIC_DISPATCH(gru_gates_forward_f64)(cell, begin, end, size.width);
    }
  });
}
template <class T>
void run(const CellSize& size, const GruGatesBackward<T>& cell) {
  each_part(size, [&](int64_t begin, int64_t end) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(gru_gates_backward_f32)(cell, begin, end, size.width);
    } else {
      HWY_DYNAMIC_DISPATCH(gru_gates_backward_f64)(cell, begin, end, size.width);
    }
  });
}
template <class T>
void run(const CellSize& size, const GruBlendForward<T>& cell) {
  each_part(size, [&](int64_t begin, int64_t end) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(gru_blend_forward_f32)(cell, begin, end, size.width);
    } else {
      HWY_DYNAMIC_DISPATCH(gru_blend_forward_f64)(cell, begin, end, size.width);
    }
  });
}
template <class T>
void run(const CellSize& size, const GruBlendBackward<T>& cell) {
  each_part(size, [&](int64_t begin, int64_t end) {
    if constexpr (sizeof(T) == 4) {
      HWY_DYNAMIC_DISPATCH(gru_blend_backward_f32)(cell, begin, end, size.width);
    } else {
      HWY_DYNAMIC_DISPATCH(gru_blend_backward_f64)(cell, begin, end, size.width);
    }
  });
}

template void run<float>(const CellSize&, const TanhForward<float>&);
template void run<double>(const CellSize&, const TanhForward<double>&);
template void run<float>(const CellSize&, const TanhBackward<float>&);
template void run<double>(const CellSize&, const TanhBackward<double>&);
template void run<float>(const CellSize&, const LstmForward<float>&);
template void run<double>(const CellSize&, const LstmForward<double>&);
template void run<float>(const CellSize&, const LstmBackward<float>&);
template void run<double>(const CellSize&, const LstmBackward<double>&);
template void run<float>(const CellSize&, const GruGatesForward<float>&);
template void run<double>(const CellSize&, const GruGatesForward<double>&);
template void run<float>(const CellSize&, const GruGatesBackward<float>&);
template void run<double>(const CellSize&, const GruGatesBackward<double>&);
template void run<float>(const CellSize&, const GruBlendForward<float>&);
template void run<double>(const CellSize&, const GruBlendForward<double>&);
template void run<float>(const CellSize&, const GruBlendBackward<float>&);
template void run<double>(const CellSize&, const GruBlendBackward<double>&);

}  // namespace attune::cpu
#endif
