#include "attune/attention/spatial_gating_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/attention/spatial_gating_cpu.cpp"
#include <hwy/foreach_target.h>

#include "attune/ops/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace attune::cpu::HWY_NAMESPACE;  // loads and stores that end anywhere

using Lanes = hn::ScalableTag<float>;

constexpr int64_t rows_ahead = 4;

HWY_INLINE bool multiplies(Gate gate) {
  return gate == Gate::split || gate == Gate::multiplicative;
}

template <class Out>
HWY_INLINE void join_row(const cpu::GateRow& row, float* g, const float* bias, int64_t bias_stride, Out* out) {
  const Lanes d;
  const auto channels = static_cast<size_t>(row.channels / row.heads);
  for (int64_t head = 0; head < row.heads; ++head) {
    const auto shift = hn::Set(d, bias[head * bias_stride]);
    const size_t begin = static_cast<size_t>(head) * channels;
    for (size_t c = begin; c < begin + channels; c += hn::Lanes(d)) {
      const size_t left = begin + channels - c;
      auto sum = hn::Add(load(d, g + c, left), shift);
      if (row.addend != nullptr) sum = hn::Add(sum, load(d, row.addend + c, left));
      store(sum, d, g + c, left);
      if (row.content != nullptr) {
        __builtin_prefetch(row.content + rows_ahead * row.content_stride + static_cast<int64_t>(c));
        const auto content = load(d, row.content + c, left);
        sum = multiplies(row.gate) ? hn::Mul(content, sum) : hn::Add(content, sum);
      }
      store(sum, d, out + c, left);
    }
  }
}

template <class Operand>
HWY_INLINE void join_row_backward(const cpu::GateRow& row, const float* g, const float* dout,
                                  const cpu::GateRowGradients<Operand>& into) {
  const Lanes d;
  const auto channels = static_cast<size_t>(row.channels / row.heads);
  for (int64_t head = 0; head < row.heads; ++head) {
    auto total = hn::Zero(d);
    const size_t begin = static_cast<size_t>(head) * channels;
    for (size_t c = begin; c < begin + channels; c += hn::Lanes(d)) {
      const size_t left = begin + channels - c;
      if (row.content != nullptr) {
        __builtin_prefetch(row.content + rows_ahead * row.content_stride + static_cast<int64_t>(c));
      }
      const auto dy = load(d, dout + c, left);
      const auto dg = multiplies(row.gate) ? hn::Mul(dy, load(d, row.content + c, left)) : dy;
      total = hn::Add(total, dg);
      if (into.operand != nullptr) store(dg, d, into.operand + c, left);
      if (into.gate != nullptr) {
        store(into.add_to_gate ? hn::Add(load(d, into.gate + c, left), dg) : dg, d, into.gate + c, left);
      }
      if (into.content != nullptr) {
        const auto of_content = multiplies(row.gate) ? hn::Mul(dy, load(d, g + c, left)) : dy;
        store(into.add_to_content ? hn::Add(load(d, into.content + c, left), of_content) : of_content, d,
              into.content + c, left);
      }
    }
    into.sums[head] = hn::GetLane(hn::SumOfLanes(d, total));
  }
}

void join_f32(const cpu::GateRow& row, float* g, const float* bias, int64_t bias_stride, float* out) {
  join_row(row, g, bias, bias_stride, out);
}
void join_bf16(const cpu::GateRow& row, float* g, const float* bias, int64_t bias_stride, BFloat16* out) {
  join_row(row, g, bias, bias_stride, out);
}
void join_backward_f32(const cpu::GateRow& row, const float* g, const float* dout,
                       const cpu::GateRowGradients<float>& into) {
  join_row_backward(row, g, dout, into);
}
void join_backward_bf16(const cpu::GateRow& row, const float* g, const float* dout,
                        const cpu::GateRowGradients<BFloat16>& into) {
  join_row_backward(row, g, dout, into);
}

void mix_rows_f32(const float* weights, const float* x, int64_t rows, int64_t stride, int64_t channels, float* y) {
  const Lanes d;
  const auto count = static_cast<size_t>(channels);
  for (size_t c = 0; c < count; c += hn::Lanes(d)) {
    auto sum = hn::Zero(d);
    for (int64_t j = 0; j < rows; ++j) {
      sum = hn::MulAdd(hn::Set(d, weights[j]), load(d, x + j * stride + static_cast<int64_t>(c), count - c), sum);
    }
    store(sum, d, y + c, count - c);
  }
}

}  // namespace attune::attention::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::attention::cpu {
HWY_EXPORT(join_f32);
HWY_EXPORT(join_bf16);
HWY_EXPORT(join_backward_f32);
HWY_EXPORT(join_backward_bf16);
HWY_EXPORT(mix_rows_f32);

template <>
void join<float>(const GateRow& row, float* g, const float* bias, int64_t bias_stride, float* out) {
  HWY_DYNAMIC_DISPATCH(join_f32)(row, g, bias, bias_stride, out);
}
template <>
void join<BFloat16>(const GateRow& row, float* g, const float* bias, int64_t bias_stride, BFloat16* out) {
  HWY_DYNAMIC_DISPATCH(join_bf16)(row, g, bias, bias_stride, out);
}
template <>
void join_backward<float>(const GateRow& row, const float* g, const float* dout, const GateRowGradients<float>& into) {
  HWY_DYNAMIC_DISPATCH(join_backward_f32)(row, g, dout, into);
}
template <>
void join_backward<BFloat16>(const GateRow& row, const float* g, const float* dout,
                             const GateRowGradients<BFloat16>& into) {
  HWY_DYNAMIC_DISPATCH(join_backward_bf16)(row, g, dout, into);
}

void mix_rows(const float* weights, const float* x, int64_t rows, int64_t stride, int64_t channels, float* y) {
  HWY_DYNAMIC_DISPATCH(mix_rows_f32)(weights, x, rows, stride, channels, y);
}

}  // namespace attune::attention::cpu
#endif
