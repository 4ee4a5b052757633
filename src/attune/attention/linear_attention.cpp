#include "attune/attention/linear_attention.h"

#include <cmath>

#include "attune/attention/feature_attention-inl.h"
#include "attune/attention/feature_definition-inl.h"

namespace attune::attention {

namespace {

constexpr const char* name = "linear_attention";

struct DefinedElu {
  int64_t features;

  void value(const double* x, double* phi) const {
    for (int64_t c = 0; c < features; ++c) phi[c] = x[c] > 0 ? x[c] + 1 : std::exp(x[c]);
  }
  void gradient(const double* x, const double* dphi, double* dx) const {
    for (int64_t c = 0; c < features; ++c) dx[c] += dphi[c] * (x[c] > 0 ? 1 : std::exp(x[c]));
  }
};

class Elu {
 public:
  static constexpr bool scaled = false;
  explicit Elu(int64_t depth) : depth_(depth) {}
  int64_t features() const { return depth_; }

  void map(const Given& x, const Written& phi, float*) const { cpu::elu_plus_one(x, phi); }
  void backward(const Given&, const Given& phi, const Written& dphi, const Written& dx, bool) const {
    cpu::elu_plus_one_backward(phi, dphi, dx);
  }

 private:
  int64_t depth_;
};

}  // namespace

Tensor linear_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Segments& queries,
                        const Segments& keys, const LinearOptions& options) {
  const FeatureCall call{name, detach(q), detach(k), detach(v), queries, keys, options.causal, options.epsilon};
  check_features(call);
  check(keys.disjoint() || !recording({&q, &k, &v}), name, ": the backward needs disjoint keys");
  if (q.dtype() == DType::float64) {
    return features::attend_by_definition(DefinedElu{q.size(2)}, call, {q, k, v});
  }
  return features::attend(std::make_shared<const Elu>(q.size(2)), call, {q, k, v});
}

Tensor linear_attention_step(const Tensor& q, const Tensor& k, const Tensor& v, FeatureState& state,
                             const LinearOptions& options) {
  return features::step(Elu(q.columns()), {name, q, k, v, q.columns(), false}, state, options.epsilon);
}

FeatureState linear_attention_state(const Tensor& k, const Tensor& v, const Segments& keys) {
  const FeatureCall call{name, k, k, v, keys, keys};
  check_features(call);
  return features::state_after(Elu(k.size(2)), call);
}

Tensor linear_map(const Tensor& x) {
  const Tensor rows = detach(x).to(DType::float64).compact();
  Tensor result = Tensor::empty(x.shape(), DType::float64);
  DefinedElu{x.elements()}.value(rows.pointer<double>(), result.pointer<double>());
  return result;
}

}  // namespace attune::attention
