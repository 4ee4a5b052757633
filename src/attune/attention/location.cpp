#include "attune/attention/location.h"

#include "attune/attention/source_read_cpu.h"
#include "attune/attention/source_read_definition.h"

namespace attune::attention {

namespace {

struct Location {
  static double score(const ReadInputs& in, int64_t i, int64_t, int position) {
    return in.query.pointer<double>()[i * in.query.columns() + position];
  }
  static void score_backward(const ReadInputs& in, int64_t i, int64_t, int position, double ds, ReadGradients& into) {
    into.query.pointer<double>()[i * in.query.columns() + position] += ds;
  }
};

}  // namespace

SourceRead location(const Tensor& scores, const Tensor& value, const ReadOptions& options) {
  static constexpr ReadMechanism mechanism{"location", defined_read<Location>, defined_read_backward<Location>,
                                           cpu::location, cpu::location_backward};
  return read_source(mechanism, {scores, {}, {}, value, options});
}

}  // namespace attune::attention
