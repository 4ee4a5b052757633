#include "attune/attention/feature_attention.h"

#include <limits>

#include "attune/attention/feature_items.h"

namespace attune::attention {

namespace {

void check_operands(const char* name, const Tensor& q, const Tensor& k, const Tensor& v) {
  check(q.rank() == 3 && k.rank() == 3 && v.rank() == 3, name, ": expected q, k, v of [rows, heads, depth], found ",
        q.shape(), ", ", k.shape(), ", ", v.shape());
  check(q.dtype() == k.dtype() && q.dtype() == v.dtype(), name, ": q, k, v hold ", attune::name_of(q.dtype()), ", ",
        attune::name_of(k.dtype()), ", ", attune::name_of(v.dtype()), ": expected one type");
  check(q.dtype() == DType::float32 || q.dtype() == DType::float64, name, ": q, k, v hold ", attune::name_of(q.dtype()),
        ", expected float32 or float64");
  check(q.size(2) == k.size(2), name, ": the queries' depth (", q.size(2), ") differs from the keys' (", k.size(2),
        ")");
  check(q.size(1) == k.size(1) && k.size(1) == v.size(1), name, ": ", q.size(1), " heads of queries, ", k.size(1),
        " of keys, ", v.size(1), " of values; expected equally many (queries that share keys are not supported here)");
  check(k.size(0) == v.size(0), name, ": keys ", k.shape(), " and values ", v.shape(), " differ in rows");
}

}  // namespace

void check_features(const FeatureCall& call) {
  const char* name = call.name;
  check_operands(name, call.q, call.k, call.v);
  check(call.queries.rows() == call.q.size(0) && call.keys.rows() == call.k.size(0), name, ": segments of ",
        call.queries.rows(), " and ", call.keys.rows(), " rows for queries ", call.q.shape(), " and keys ",
        call.k.shape());
  check(call.queries.count() == call.keys.count(), name, ": ", call.queries.count(), " query sequences but ",
        call.keys.count(), " key sequences");
  check(call.queries.disjoint(), name, ": query segments overlap; only keys may coincide");
  for (int s = 0; call.causal && s < call.keys.count(); ++s) {
    check(call.queries.length(s) == call.keys.length(s), name, ": sequence ", s, " has ", call.queries.length(s),
          " queries and ", call.keys.length(s), " keys; the causal form needs one of each for a token");
  }
}

void prepare_state(const FeatureStep& step, FeatureState& state) {
  check_operands(step.name, step.q, step.k, step.v);
  check(step.q.dtype() == DType::float32, step.name, ": a step's q, k, v hold ", attune::name_of(step.q.dtype()),
        ", expected float32");
  const int64_t sequences = step.q.size(0), heads = step.q.size(1);
  check(step.k.size(0) == sequences, step.name, ": a step of ", sequences, " queries and ", step.k.size(0),
        " keys, expected one token of each sequence");
  const Shape sums{sequences, heads, step.features, step.v.size(2)};
  if (!state.sums) {
    state.sums = Tensor::zeros(sums);
    state.normaliser = Tensor::zeros({sequences, heads, step.features});
    state.log_scale =
        step.scaled ? Tensor::full({sequences, heads}, -std::numeric_limits<double>::infinity()) : Tensor();
  }
  check(state.sums.shape() == sums && state.sums.dtype() == DType::float32 && state.sums.contiguous(), step.name,
        ": the state holds ", state.sums.shape(), ", expected ", sums, " [sequences, heads, features, value depth]");
}

}  // namespace attune::attention
