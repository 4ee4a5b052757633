#include "attune/attention/source_read.h"

#include <algorithm>
#include <cmath>

#include "attune/attention/source_read_mechanism.h"
#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"
#include "attune/ops/row_layout.h"

namespace attune::attention {

namespace {

void check_inputs(const char* name, const ReadInputs& in) {
  const Segments &queries = in.options.queries, &keys = in.options.keys;
  check(in.query.rank() == 2 && in.query.size(0) == queries.rows(), name, ": queries ", in.query.shape(),
        ", expected [", queries.rows(), ", depth] to fit their segments");
  check(in.value.rank() == 2 && in.value.size(0) == keys.rows(), name, ": values ", in.value.shape(), ", expected [",
        keys.rows(), ", width] to fit the sources");
  check(!in.key || in.key.shape() == Shape({keys.rows(), in.query.columns()}), name, ": keys ", in.key.shape(),
        ", expected [", keys.rows(), ", ", in.query.columns(), "] to fit sources and queries");
  check(!in.vector || in.vector.shape() == Shape({in.query.columns()}), name, ": the vector is ", in.vector.shape(),
        ", expected [", in.query.columns(), "] to fit the queries");
  check(in.key || in.query.columns() >= keys.longest(), name, ": scores for ", in.query.columns(),
        " positions, but a source has ", keys.longest(), " tokens");
  check(queries.count() <= keys.count(), name, ": queries of ", queries.count(), " sequences, but only ", keys.count(),
        " sources");
  const Window& window = in.options.window;
  check(!window.centre || window.centre.elements() == queries.rows(), name, ": the window's centres are ",
        window.centre.shape(), ", expected one for each of ", queries.rows(), " queries");
  check(!window.centre || window.reach >= 1, name, ": the window reaches ", window.reach, ", expected 1 or more");
  for (const Tensor& x : {in.key, in.vector, in.value, window.centre}) {
    check(!x || x.dtype() == in.query.dtype(), name, ": queries are ", attune::name_of(in.query.dtype()),
          ", other inputs ", attune::name_of(x.dtype()), ", expected the same type");
  }
}

ReadInputs compacted(const ReadInputs& in) {
  ReadInputs result = in;
  for (Tensor* x : {&result.query, &result.key, &result.vector, &result.value, &result.options.window.centre}) {
    *x = *x ? detach(x->compact()) : Tensor();
  }
  return result;
}

// A gradient's memory: where it belongs if somebody wants it, else scratch. Zeroed unless it holds a value already.
Tensor gradient_of(Adjoints& into, size_t input, const Tensor& x) {
  if (!x || !into.wants(input)) {
    return x ? Tensor::zeros(x.shape(), x.dtype()) : Tensor();
  }
  auto [gradient, accumulate] = into.destination(input);
  if (!accumulate) {
    gradient.fill(0);
  }
  return gradient;
}

bool same(const Tensor& x, const Tensor& y) {
  return x && x.storage() == y.storage() && x.offset() == y.offset() && x.shape() == y.shape();
}

const float* first_of(const Tensor& x) {
  return x ? x.pointer<float>() : nullptr;
}
float* first_of(Tensor& x) {
  return x ? x.pointer<float>() : nullptr;
}

ReadRows rows_of(const ReadInputs& in) {
  const ReadOptions& options = in.options;
  return {.query = first_of(in.query),
          .key = first_of(in.key),
          .vector = first_of(in.vector),
          .value = first_of(in.value),
          .centre = first_of(options.window.centre),
          .depth = in.query.columns(),
          .width = in.value.columns(),
          .longest = options.keys.longest(),
          .queries = &options.queries,
          .keys = &options.keys,
          .window = &options.window};
}

// fn(first sequence, end) on ranges of sequences that are worth a thread.
template <class Fn>
void over_sequences(const ReadInputs& in, Fn&& fn) {
  const Segments &queries = in.options.queries, &keys = in.options.keys;
  const int64_t columns = in.query.columns() + in.value.columns();
  const int64_t each = (queries.rows() / std::max(1, queries.count()) + 1) * (keys.longest() + 1) * (columns + 1);
  parallel_for(queries.count(), std::max<int64_t>(1, 32768 / each),
               [&](int64_t begin, int64_t end) { fn(static_cast<int>(begin), static_cast<int>(end)); });
}

void read_forward(const ReadMechanism& mechanism, const ReadInputs& in, ReadOutputs& out) {
  if (in.query.dtype() == DType::float64) {
    mechanism.defined(in, out);
    return;
  }
  const ReadRows rows = rows_of(in);
  const ReadRowResults results{first_of(out.context), first_of(out.aligned), first_of(out.weights)};
  over_sequences(in, [&](int begin, int end) { mechanism.rows(rows, begin, end, results); });
}

struct Recorded {
  const ReadMechanism& mechanism;
  ReadInputs in;
  ReadOutputs out;
  bool keys_are_values;
};

void gradients_of(const Recorded& call, const Tensor& dcontext, ReadGradients& into) {
  if (call.in.query.dtype() == DType::float64) {
    call.mechanism.defined_backward(call.in, call.out, dcontext, into);
    return;
  }
  const ReadRows rows = rows_of(call.in);
  Tensor aligned = call.out.aligned, weights = call.out.weights;
  const ReadRowResults saved{nullptr, first_of(aligned), first_of(weights)};
  const ReadRowGradients gradients{first_of(dcontext),    first_of(into.query), first_of(into.key),
                                   first_of(into.vector), first_of(into.value), first_of(into.centre)};
  over_sequences(call.in,
                 [&](int begin, int end) { call.mechanism.rows_backward(rows, begin, end, saved, gradients); });
}

void read_backward(const Recorded& call, const Tensor& dcontext, Adjoints& into) {
  const ReadInputs& in = call.in;
  const Window& window = in.options.window;
  ReadGradients gradients;
  gradients.query = Tensor::zeros(in.query.shape(), in.query.dtype());
  gradients.value = gradient_of(into, 3, in.value);
  gradients.key = call.keys_are_values ? gradients.value : gradient_of(into, 1, in.key);
  if (in.vector) {
    gradients.vector = Tensor::zeros(in.query.shape(), in.query.dtype());
  }
  if (window.gaussian) {
    gradients.centre = Tensor::zeros(window.centre.shape(), window.centre.dtype());
  }
  gradients_of(call, dcontext.compact(), gradients);
  into.add(0, std::move(gradients.query));
  if (in.vector && into.wants(2)) {
    auto [sum, accumulate] = into.destination(2);
    column_sums(gradients.vector, sum, {.accumulate = accumulate});
  }
  if (window.gaussian) {
    into.add(4, std::move(gradients.centre));
  }
}

}  // namespace

Visible visible(const Window& window, double p, int length) {
  if (!window.centre || std::isnan(p)) {
    return {0, length};
  }
  const double first = std::ceil(p - window.reach), last = std::floor(p + window.reach);
  const int begin = static_cast<int>(std::clamp<double>(first, 0, length));
  return {begin, static_cast<int>(std::clamp<double>(last + 1, begin, length))};
}

SourceRead read_source(const ReadMechanism& mechanism, ReadInputs in) {
  const ProfileScope scope(mechanism.name);
  check_inputs(mechanism.name, in);
  const ReadOptions& options = in.options;
  const Tensor& centre = options.window.centre;
  check(options.keys.disjoint() || !recording({&in.query, &in.key, &in.vector, &in.value, &centre}), mechanism.name,
        ": the backward needs disjoint sources");
  const DType type = in.query.dtype();
  check(type == DType::float32 || type == DType::float64, mechanism.name, ": queries are ", attune::name_of(type),
        ", expected float32 or float64");
  const Shape cells{in.query.size(0), options.keys.longest()};
  ReadOutputs out;
  out.context = Tensor::zeros({in.query.size(0), in.value.columns()}, type);
  out.aligned = Tensor::zeros(cells, type);
  out.weights = options.window.gaussian ? Tensor::zeros(cells, type) : out.aligned;
  Recorded call{mechanism, compacted(in), out, same(in.key, in.value)};
  read_forward(mechanism, call.in, out);
  call.out.context = Tensor();
  const Tensor none;  // every input has its place in the order of the gradients
  Tensor context = differentiable(
      mechanism.name, out.context,
      {in.query, call.keys_are_values ? none : in.key, in.vector, in.value, options.window.gaussian ? centre : none},
      [call](const Tensor& dcontext, Adjoints& into) { read_backward(call, dcontext, into); });
  return {std::move(context), detach(out.weights)};
}

}  // namespace attune::attention
