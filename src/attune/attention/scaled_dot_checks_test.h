// Problems, runs and comparisons that the tests of the fused attention share.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "attune/attention/scaled_dot.h"
#include "attune/attention/scaled_dot_terms.h"
#include "attune/autograd/gradient_check.h"
#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"

namespace attune::attention::testing {

struct Problem {
  Tensor q, k, v, dout, dlse;
  Segments queries, keys;
};

struct Depths {
  int heads = 2, kv_heads = 2, depth = 8, value_depth = 8;
};

inline Problem problem_of(const std::vector<int>& queries, const std::vector<int>& keys, const Depths& depths,
                          DType dtype = DType::float32) {
  Problem p;
  p.queries = Segments::of_lengths(queries);
  p.keys = Segments::of_lengths(keys);
  const auto draw = [&](int64_t rows, int heads, int depth, uint64_t seed) {
    return random_tensor({rows, heads, depth}, Rng(seed), DType::float32).to(dtype);
  };
  p.q = draw(p.queries.rows(), depths.heads, depths.depth, 1);
  p.k = draw(p.keys.rows(), depths.kv_heads, depths.depth, 2);
  p.v = draw(p.keys.rows(), depths.kv_heads, depths.value_depth, 3);
  p.dout = draw(p.queries.rows(), depths.heads, depths.value_depth, 4);
  p.dlse = random_tensor({p.queries.rows(), depths.heads}, Rng(5), DType::float32).to(dtype);
  return p;
}

inline Problem in_float64(const Problem& p) {
  return {p.q.to(DType::float64),
          p.k.to(DType::float64),
          p.v.to(DType::float64),
          p.dout.to(DType::float64),
          p.dlse.to(DType::float64),
          p.queries,
          p.keys};
}

inline Options with_bias(Options options, decltype(Options::bias) bias) {
  options.bias = std::move(bias);
  return options;
}

// The same options with the bias in another type.
inline Options with_bias_in(const Options& options, DType dtype) {
  Options result = options;
  if (auto* dense = std::get_if<DenseBias>(&result.bias)) dense->value = dense->value.to(dtype);
  if (auto* slopes = std::get_if<Slopes>(&result.bias)) slopes->value = slopes->value.to(dtype);
  if (auto* buckets = std::get_if<Buckets>(&result.bias)) buckets->value = buckets->value.to(dtype);
  if (auto* offsets = std::get_if<Offsets>(&result.bias)) offsets->value = offsets->value.to(dtype);
  return result;
}

struct Results {
  std::vector<Tensor> all;  // out, log-sum-exp, dq, dk, dv; dbias where there is a bias
};

using Mechanism = Attended (*)(const Tensor&, const Tensor&, const Tensor&, const Segments&, const Segments&,
                               const Options&);

inline Results run(Mechanism mechanism, const Problem& p, const Options& options) {
  Tape tape;
  for (const Tensor* x : {&p.q, &p.k, &p.v}) tape.watch(*x);
  const Tensor* bias = bias_of(options);
  if (bias != nullptr) tape.watch(*bias);
  const Attended y = mechanism(p.q, p.k, p.v, p.queries, p.keys, options);
  std::vector<Tensor> outputs{y.out}, seeds{p.dout};
  if (y.log_sum_exp) {
    outputs.push_back(y.log_sum_exp);
    seeds.push_back(p.dlse);
  }
  const Gradients gradients = tape.backward(outputs, seeds);
  Results results{{y.out, y.log_sum_exp, gradients.of(p.q), gradients.of(p.k), gradients.of(p.v)}};
  if (bias != nullptr) results.all.push_back(gradients.of(*bias));
  return results;
}

inline const char* const result_names[] = {"out", "log_sum_exp", "dq", "dk", "dv", "dbias"};

inline double largest_of(const Tensor& x) {
  double largest = 0;
  for (int64_t i = 0; i < x.elements(); ++i) {
    if (std::isfinite(x.at(i))) largest = std::max(largest, std::fabs(x.at(i)));
  }
  return largest;
}

inline double largest_difference(const Tensor& x, const Tensor& y) {
  double largest = 0;
  for (int64_t i = 0; i < x.elements(); ++i) {
    const double a = x.at(i), b = y.at(i);
    if (a == b) continue;  // infinities too
    const double difference = std::fabs(a - b);
    largest = std::isnan(difference) ? INFINITY : std::max(largest, difference);
  }
  return largest;
}

// Against float64: at most twice (gradients: three times) the error of the float32 definition, plus 1e-6 of the
// largest.
inline void expect_as_exact_as_the_definition(const Problem& p, const Options& options, const std::string& what) {
  set_threads(1);  // many small calls; other tests compare thread counts
  const Results exact = run(scaled_dot_definition, in_float64(p), with_bias_in(options, DType::float64));
  const Results plain = run(scaled_dot_definition, p, options), fused = run(scaled_dot, p, options);
  set_threads(0);
  for (size_t i = 0; i < exact.all.size(); ++i) {
    ASSERT_EQ(static_cast<bool>(exact.all[i]), static_cast<bool>(fused.all[i])) << what << " " << result_names[i];
    if (!exact.all[i]) continue;
    const double bound =
        (i < 2 ? 2 : 3) * largest_difference(plain.all[i], exact.all[i]) + 1e-6 * largest_of(exact.all[i]);
    EXPECT_LE(largest_difference(fused.all[i], exact.all[i]), bound) << what << " " << result_names[i];
  }
}

// Of a problem in bfloat16: at most so much worse than what the float32 definition gives once it is rounded.
inline void expect_as_exact_as_rounded(const Problem& rounded, const Options& options, const std::string& what) {
  Problem wide = rounded;
  for (Tensor* x : {&wide.q, &wide.k, &wide.v, &wide.dout}) *x = x->to(DType::float32);
  Problem narrow = rounded;
  narrow.dout = wide.dout;  // gradients are float32
  narrow.dlse = wide.dlse = rounded.dlse.to(DType::float32);
  const Results exact = run(scaled_dot_definition, in_float64(wide), options);
  const Results plain = run(scaled_dot_definition, wide, options), fused = run(scaled_dot, narrow, options);
  for (size_t i = 0; i < 5; ++i) {
    ASSERT_EQ(fused.all[i].dtype(), i == 0 ? DType::bfloat16 : DType::float32) << result_names[i];
    // Gradients are float32, but rest on the rounded out (dout . out); log-sum-exp does not.
    const Tensor reference = plain.all[i].to(i == 1 ? DType::float32 : DType::bfloat16);
    const double error = largest_difference(reference, exact.all[i]);
    EXPECT_LE(largest_difference(fused.all[i], exact.all[i]), (i < 2 ? 2 : 3) * error + 1e-6 * largest_of(exact.all[i]))
        << what << " " << result_names[i];
  }
}

}  // namespace attune::attention::testing
