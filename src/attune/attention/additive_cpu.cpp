#include "attune/attention/source_read_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/attention/additive_cpu.cpp"
#include <hwy/foreach_target.h>

#include "attune/attention/source_read-inl.h"
#include "attune/ops/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::HWY_NAMESPACE {

struct Additive {
  static void scores(const ReadRows& in, int64_t i, int64_t row, int, int count, float* s) {
    const Lanes d;
    const auto depth = static_cast<size_t>(in.depth);
    const float *q = in.query + i * in.depth, *k = in.key + row * in.depth;
    for (int j = 0; j < count; ++j, k += in.depth) {
      auto sum = hn::Zero(d);
      for (size_t a = 0; a < depth; a += hn::Lanes(d)) {
        const auto t = Tanh::value(d, hn::Add(load(d, q + a, depth - a), load(d, k + a, depth - a)));
        sum = hn::MulAdd(load(d, in.vector + a, depth - a), t, sum);
      }
      s[j] = hn::GetLane(hn::SumOfLanes(d, sum));
    }
  }

  static void scores_backward(const ReadRows& in, int64_t i, int64_t row, int, int count, const float* ds,
                              const ReadRowGradients& into) {
    const Lanes d;
    const auto depth = static_cast<size_t>(in.depth);
    for (size_t a = 0; a < depth; a += hn::Lanes(d)) {
      const size_t left = depth - a;
      const auto q = load(d, in.query + i * in.depth + a, left), v = load(d, in.vector + a, left);
      auto dq = hn::Zero(d), dv = hn::Zero(d);
      for (int j = 0; j < count; ++j) {
        const int64_t cell = (row + j) * in.depth + static_cast<int64_t>(a);
        const auto slope = hn::Set(d, ds[j]);
        const auto t = Tanh::value(d, hn::Add(q, load(d, in.key + cell, left)));
        dv = hn::MulAdd(slope, t, dv);
        const auto inner = hn::Mul(hn::Mul(slope, v), Tanh::slope(d, t, t));
        dq = hn::Add(dq, inner);
        store(hn::Add(load(d, into.key + cell, left), inner), d, into.key + cell, left);
      }
      store(dq, d, into.query + i * in.depth + a, left);
      store(dv, d, into.vector + i * in.depth + a, left);
    }
  }
};

void additive_sequences(const ReadRows& in, int begin, int end, const ReadRowResults& out) {
  read_sequences<Additive>(in, begin, end, out);
}
void additive_sequences_backward(const ReadRows& in, int begin, int end, const ReadRowResults& saved,
                                 const ReadRowGradients& into) {
  read_sequences_backward<Additive>(in, begin, end, saved, into);
}

}  // namespace attune::attention::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::attention {
HWY_EXPORT(additive_sequences);
HWY_EXPORT(additive_sequences_backward);

void cpu::additive(const ReadRows& in, int begin, int end, const ReadRowResults& out) {
  HWY_DYNAMIC_DISPATCH(additive_sequences)(in, begin, end, out);
}

void cpu::additive_backward(const ReadRows& in, int begin, int end, const ReadRowResults& saved,
                            const ReadRowGradients& into) {
  HWY_DYNAMIC_DISPATCH(additive_sequences_backward)(in, begin, end, saved, into);
}

}  // namespace attune::attention
#endif
