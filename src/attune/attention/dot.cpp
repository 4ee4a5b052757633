#include "attune/attention/dot.h"

#include "attune/attention/source_read_cpu.h"
#include "attune/attention/source_read_definition.h"

namespace attune::attention {

namespace {

struct Dot {
  static double score(const ReadInputs& in, int64_t i, int64_t row, int) {
    const int64_t depth = in.query.columns();
    double sum = 0;
    for (int64_t a = 0; a < depth; ++a) {
      sum += in.query.pointer<double>()[i * depth + a] * in.key.pointer<double>()[row * depth + a];
    }
    return sum;
  }

  static void score_backward(const ReadInputs& in, int64_t i, int64_t row, int, double ds, ReadGradients& into) {
    const int64_t depth = in.query.columns();
    for (int64_t a = 0; a < depth; ++a) {
      into.query.pointer<double>()[i * depth + a] += ds * in.key.pointer<double>()[row * depth + a];
      into.key.pointer<double>()[row * depth + a] += ds * in.query.pointer<double>()[i * depth + a];
    }
  }
};

}  // namespace

SourceRead dot(const Tensor& query, const Tensor& key, const Tensor& value, const ReadOptions& options) {
  static constexpr ReadMechanism mechanism{"dot", defined_read<Dot>, defined_read_backward<Dot>, cpu::dot,
                                           cpu::dot_backward};
  return read_source(mechanism, {query, key, {}, value, options});
}

}  // namespace attune::attention
