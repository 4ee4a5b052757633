#include "attune/attention/source_read_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/attention/dot_cpu.cpp"
#include <hwy/foreach_target.h>

#include "attune/attention/source_read-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::HWY_NAMESPACE {

struct Dot {
  static void scores(const ReadRows& in, int64_t i, int64_t row, int, int count, float* s) {
    for (int j = 0; j < count; ++j) {
      s[j] = dot(in.query + i * in.depth, in.key + (row + j) * in.depth, static_cast<size_t>(in.depth));
    }
  }

  static void scores_backward(const ReadRows& in, int64_t i, int64_t row, int, int count, const float* ds,
                              const ReadRowGradients& into) {
    const auto depth = static_cast<size_t>(in.depth);
    mix(ds, in.key + row * in.depth, static_cast<size_t>(count), depth, into.query + i * in.depth);
    for (int j = 0; j < count; ++j) add_scaled(ds[j], in.query + i * in.depth, into.key + (row + j) * in.depth, depth);
  }
};

void dot_sequences(const ReadRows& in, int begin, int end, const ReadRowResults& out) {
  read_sequences<Dot>(in, begin, end, out);
}
void dot_sequences_backward(const ReadRows& in, int begin, int end, const ReadRowResults& saved,
                            const ReadRowGradients& into) {
  read_sequences_backward<Dot>(in, begin, end, saved, into);
}

}  // namespace attune::attention::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::attention {
HWY_EXPORT(dot_sequences);
HWY_EXPORT(dot_sequences_backward);

void cpu::dot(const ReadRows& in, int begin, int end, const ReadRowResults& out) {
  HWY_DYNAMIC_DISPATCH(dot_sequences)(in, begin, end, out);
}

void cpu::dot_backward(const ReadRows& in, int begin, int end, const ReadRowResults& saved,
                       const ReadRowGradients& into) {
  HWY_DYNAMIC_DISPATCH(dot_sequences_backward)(in, begin, end, saved, into);
}

}  // namespace attune::attention
#endif
