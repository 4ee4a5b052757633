#include "attune/attention/source_read_cpu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/attention/location_cpu.cpp"
#include <hwy/foreach_target.h>

#include "attune/attention/source_read-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::HWY_NAMESPACE {

struct Location {
  static void scores(const ReadRows& in, int64_t i, int64_t, int position, int count, float* s) {
    std::copy_n(in.query + i * in.depth + position, count, s);
  }

  static void scores_backward(const ReadRows& in, int64_t i, int64_t, int position, int count, const float* ds,
                              const ReadRowGradients& into) {
    std::copy_n(ds, count, into.query + i * in.depth + position);
  }
};

void location_sequences(const ReadRows& in, int begin, int end, const ReadRowResults& out) {
  read_sequences<Location>(in, begin, end, out);
}
void location_sequences_backward(const ReadRows& in, int begin, int end, const ReadRowResults& saved,
                                 const ReadRowGradients& into) {
  read_sequences_backward<Location>(in, begin, end, saved, into);
}

}  // namespace attune::attention::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::attention {
HWY_EXPORT(location_sequences);
HWY_EXPORT(location_sequences_backward);

void cpu::location(const ReadRows& in, int begin, int end, const ReadRowResults& out) {
  HWY_DYNAMIC_DISPATCH(location_sequences)(in, begin, end, out);
}

void cpu::location_backward(const ReadRows& in, int begin, int end, const ReadRowResults& saved,
                            const ReadRowGradients& into) {
  HWY_DYNAMIC_DISPATCH(location_sequences_backward)(in, begin, end, saved, into);
}

}  // namespace attune::attention
#endif
