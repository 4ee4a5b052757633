// The non-linearities and their slopes on one vector, compiled once per SIMD target. Each type has
//   value(d, x) = f(x)      slope(d, x, y) = f'(x), given y = f(x) where from_output says so (x is then not read)
#if defined(ATTUNE_OPS_ACTIVATION_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_OPS_ACTIVATION_INL_H
#undef ATTUNE_OPS_ACTIVATION_INL_H
#else
#define ATTUNE_OPS_ACTIVATION_INL_H
#endif

#include <cmath>
#include <numbers>

#include "attune/ops/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {

template <class D>
HWY_INLINE hn::Vec<D> constant(D d, double value) {
  return hn::Set(d, static_cast<hn::TFromD<D>>(value));
}

// sigmoid(x) and sigmoid(-x), each with full relative accuracy: 1 - y has none where y is near 1.
template <class V>
struct Logistic {
  V y, complement;
};
template <class D, class V>
HWY_INLINE Logistic<V> logistic(D d, V x) {
  const auto one = constant(d, 1);
  const auto e = exp_of_negative(d, hn::Neg(hn::Abs(x)));
  const auto large = hn::Div(one, hn::Add(one, e)), small = hn::Mul(e, large);
  const auto negative = hn::Lt(x, hn::Zero(d));
  return {hn::IfThenElse(negative, small, large), hn::IfThenElse(negative, large, small)};
}

// Phi(x), the normal distribution function, and phi(x), its density.
template <class V>
struct Normal {
  V probability, density;
};

// float: Phi(-|x|) = exp(-x^2 / 2) t p(t) / 2 with t = 1 / (1 + |x| / sqrt(8)); t p(t) is a least-maximum fit of
// exp(z^2) erfc(z), z = |x| / sqrt(2), to 3e-8 relative, so that the tails keep their digits too.
template <class D, class V>
HWY_INLINE Normal<V> normal_of_float(D d, V x) {
  const auto z = hn::Min(hn::Abs(x), constant(d, 15));  // exp(-15^2 / 2) is 0 already
  const auto square = hn::Mul(z, z);
  const auto lost = hn::MulSub(z, z, square);  // the square's rounding error (0 where there is no fused product)
  const auto half = constant(d, 0.5), one = constant(d, 1);
  const auto e = hn::Mul(hn::Exp(d, hn::Neg(hn::Mul(half, square))), hn::NegMulAdd(half, lost, one));
  const auto t = hn::Div(one, hn::MulAdd(constant(d, 0.5 / std::numbers::sqrt2), z, one));
  constexpr double fit[] = {0.282068992,  0.2827618202,  0.2394974885, 0.2212986861,  -0.08535047672,
                            0.3959586004, -0.6383455467, 0.4043524131, -0.1124943033, 0.01025230358};
  auto p = constant(d, fit[9]);
  for (int k = 8; k >= 0; --k) p = hn::MulAdd(p, t, constant(d, fit[k]));
  const auto tail = hn::Mul(hn::Mul(half, e), hn::Mul(t, p));
  const auto probability = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), tail, hn::Sub(one, tail));
  return {probability, hn::Mul(e, constant(d, std::numbers::inv_sqrtpi / std::numbers::sqrt2))};
}

// double: the standard library's erfc, lane by lane.
template <class D, class V>
HWY_INLINE Normal<V> normal_of_double(D d, V x) {
  HWY_ALIGN double in[hn::MaxLanes(d)], probability[hn::MaxLanes(d)], density[hn::MaxLanes(d)];
  hn::Store(x, d, in);
  for (size_t i = 0; i < hn::Lanes(d); ++i) {
    probability[i] = 0.5 * std::erfc(-in[i] / std::numbers::sqrt2);
    density[i] = std::exp(-0.5 * in[i] * in[i]) * (std::numbers::inv_sqrtpi / std::numbers::sqrt2);
  }
  return {hn::Load(d, probability), hn::Load(d, density)};
}

template <class D, class V>
HWY_INLINE Normal<V> normal(D d, V x) {
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    return normal_of_float(d, x);
  } else {
    return normal_of_double(d, x);
  }
}

struct Identity {
  static constexpr bool from_output = false;
  template <class D, class V>
  static HWY_INLINE V value(D, V x) {
    return x;
  }
  template <class D, class V>
  static HWY_INLINE V slope(D d, V, V) {
    return constant(d, 1);
  }
};

struct Relu {
  static constexpr bool from_output = true;
  template <class D, class V>
  static HWY_INLINE V value(D d, V x) {
    return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);  // a NaN stays
  }
  template <class D, class V>
  static HWY_INLINE V slope(D d, V, V y) {
    return hn::IfThenZeroElse(hn::Le(y, hn::Zero(d)), constant(d, 1));
  }
};

struct Gelu {
  static constexpr bool from_output = false;
  template <class D, class V>
  static HWY_INLINE V value(D d, V x) {
    return hn::Mul(x, normal(d, x).probability);
  }
  template <class D, class V>
  static HWY_INLINE V slope(D d, V x, V) {
    const auto at = normal(d, x);
    return hn::MulAdd(x, at.density, at.probability);
  }
};

// x (1 + tanh(u)) / 2 = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3)
struct GeluTanh {
  static constexpr bool from_output = false;
  static constexpr double cubic = 0.044715, factor = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
  template <class D, class V>
  static HWY_INLINE V bounded(D d, V x) {  // beyond, the sigmoid is 0 or 1, and x^3 might overflow
    return hn::Max(hn::Min(x, constant(d, 30)), constant(d, -30));
  }
  template <class D, class V>
  static HWY_INLINE V argument(D d, V b) {
    return hn::Mul(hn::Mul(constant(d, factor), b), hn::MulAdd(hn::Mul(constant(d, cubic), b), b, constant(d, 1)));
  }
  template <class D, class V>
  static HWY_INLINE V value(D d, V x) {
    return hn::Mul(x, logistic(d, argument(d, bounded(d, x))).y);
  }
  template <class D, class V>
  static HWY_INLINE V slope(D d, V x, V) {
    const auto b = bounded(d, x);
    const auto s = logistic(d, argument(d, b));
    const auto inner = hn::Mul(constant(d, factor), hn::MulAdd(hn::Mul(constant(d, 3 * cubic), b), b, constant(d, 1)));
    return hn::MulAdd(hn::Mul(x, s.y), hn::Mul(s.complement, inner), s.y);
  }
};

struct Silu {
  static constexpr bool from_output = false;
  template <class D, class V>
  static HWY_INLINE V value(D d, V x) {
    return hn::Mul(x, logistic(d, x).y);
  }
  template <class D, class V>
  static HWY_INLINE V slope(D d, V x, V) {
    const auto s = logistic(d, x);
    return hn::Mul(s.y, hn::MulAdd(x, s.complement, constant(d, 1)));
  }
};

struct Sigmoid {
  static constexpr bool from_output = true;
  template <class D, class V>
  static HWY_INLINE V value(D d, V x) {
    return logistic(d, x).y;
  }
  template <class D, class V>
  static HWY_INLINE V slope(D d, V, V y) {
    return hn::Mul(y, hn::Sub(constant(d, 1), y));
  }
};

struct Tanh {
  static constexpr bool from_output = true;
  template <class D, class V>
  static HWY_INLINE V value(D d, V x) {
    return hn::Tanh(d, x);
  }
  template <class D, class V>
  static HWY_INLINE V slope(D d, V, V y) {
    return hn::NegMulAdd(y, y, constant(d, 1));
  }
};

}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
