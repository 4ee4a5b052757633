#include "attune/attention/additive.h"

#include "attune/attention/source_read_cpu.h"
#include "attune/attention/source_read_definition.h"

namespace attune::attention {

namespace {

struct Additive {
  static double score(const ReadInputs& in, int64_t i, int64_t row, int) {
    const int64_t depth = in.query.columns();
    const double *q = in.query.pointer<double>() + i * depth, *k = in.key.pointer<double>() + row * depth,
                 *v = in.vector.pointer<double>();
    double sum = 0;
    for (int64_t a = 0; a < depth; ++a) sum += v[a] * std::tanh(q[a] + k[a]);
    return sum;
  }

  // t = tanh(q + k):  dv = ds t,  dq = dk = ds v (1 - t^2)
  static void score_backward(const ReadInputs& in, int64_t i, int64_t row, int, double ds, ReadGradients& into) {
    const int64_t depth = in.query.columns();
    for (int64_t a = 0; a < depth; ++a) {
      const double t = std::tanh(in.query.pointer<double>()[i * depth + a] + in.key.pointer<double>()[row * depth + a]);
      const double inner = ds * in.vector.pointer<double>()[a] * (1 - t * t);
      into.vector.pointer<double>()[i * depth + a] += ds * t;
      into.query.pointer<double>()[i * depth + a] += inner;
      into.key.pointer<double>()[row * depth + a] += inner;
    }
  }
};

}  // namespace

SourceRead additive(const Tensor& query, const Tensor& key, const Tensor& vector, const Tensor& value,
                    const ReadOptions& options) {
  static constexpr ReadMechanism mechanism{"additive", defined_read<Additive>, defined_read_backward<Additive>,
                                           cpu::additive, cpu::additive_backward};
  return read_source(mechanism, {query, key, vector, value, options});
}

}  // namespace attune::attention
