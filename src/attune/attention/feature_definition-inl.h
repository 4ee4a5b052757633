// feature_attention.h in plain loops, float64: the quadratic form, with its backward. A map gives, for one row,
//   int64_t depth, features;
//   void value(const double* x, double* phi) const;
//   void gradient(const double* x, const double* dphi, double* dx) const;   adds to dx
// A recorder sees by rows phi(Q), phi(K), U = phi(Q) phi(K)', the weights P, and the gradients of all of them.
#pragma once

#include <utility>
#include <vector>

#include "attune/attention/feature_items.h"
#include "attune/autograd/recorder.h"
#include "attune/autograd/tape.h"
#include "attune/base/profile.h"

namespace attune::attention::features {

template <class Map>
class Defined {
 public:
  Defined(Map map, FeatureCall call) : map_(std::move(map)), call_(std::move(call)) {
    for (Tensor* x : {&call_.q, &call_.k, &call_.v}) *x = x->compact();
  }

  Tensor forward() const {
    Tensor out = Tensor::zeros({call_.q.size(0), call_.q.size(1), call_.v.size(2)}, DType::float64);
    each_head([&](const Head& head) {
      for (int64_t i = 0; i < head.queries; ++i) {
        const Weights at = weights(head, i);
        for (int64_t j = 0; j < at.seen; ++j) {
          for (int64_t c = 0; c < values(); ++c) row(out, head.query(i))[c] += at.p[size(j)] * value(head, j)[c];
        }
      }
    });
    return out;
  }

  // P = a / den:  da_ij = (dP_ij - sum_j' P_ij' dP_ij') / den_i,  dphi(q_i) = sum_j da_ij phi(k_j),  and the other way
  std::vector<Tensor> backward(const Tensor& dout) const {
    std::vector<Tensor> d;
    for (const Tensor& x : {call_.q, call_.k, call_.v}) d.push_back(Tensor::zeros(x.shape(), DType::float64));
    each_head([&](const Head& head) {
      std::vector<double> dphi_k(head.phi_k.size());
      for (int64_t i = 0; i < head.queries; ++i) {
        const Weights at = weights(head, i);
        const std::vector<double> da = weights_backward(head, i, at, row(dout, head.query(i)), d[2]);
        std::vector<double> dphi_q(size(map_.features));
        for (int64_t j = 0; j < at.seen; ++j) {
          for (int64_t f = 0; f < map_.features; ++f) {
            dphi_q[size(f)] += da[size(j)] * head.phi_k[size(j * map_.features + f)];
            dphi_k[size(j * map_.features + f)] += da[size(j)] * head.phi_q[size(i * map_.features + f)];
          }
        }
        record(Recorder::current(), "dphi_Q", {head.sequence, head.head, i}, dphi_q);
        map_.gradient(row(call_.q, head.query(i)), dphi_q.data(), row(d[0], head.query(i)));
      }
      for (int64_t j = 0; j < head.keys; ++j) {
        record(Recorder::current(), "dphi_K", {head.sequence, head.head, j}, features_of(dphi_k, j));
        map_.gradient(row(call_.k, head.key(j)), &dphi_k[size(j * map_.features)], row(d[1], head.key(j)));
      }
    });
    return d;
  }

 private:
  // One sequence and head. Rows count heads here: row r of head h is r * heads + h.
  struct Head {
    int sequence, head, heads;
    int64_t first_query, queries, first_key, keys;
    std::vector<double> phi_q, phi_k;
    int64_t query(int64_t i) const { return (first_query + i) * heads + head; }
    int64_t key(int64_t j) const { return (first_key + j) * heads + head; }
  };
  struct Weights {
    int64_t seen;
    std::vector<double> p;
    double inverse;  // 1 / den
  };

  static size_t size(int64_t count) { return static_cast<size_t>(count); }
  static const double* row(const Tensor& x, int64_t r) { return x.pointer<double>() + r * x.columns(); }
  static double* row(Tensor& x, int64_t r) { return x.pointer<double>() + r * x.columns(); }
  int64_t values() const { return call_.v.size(2); }
  std::span<double> features_of(std::vector<double>& phi, int64_t i) const {
    return std::span(phi).subspan(size(i * map_.features), size(map_.features));
  }
  const double* value(const Head& head, int64_t j) const { return row(call_.v, head.key(j)); }

  Weights weights(const Head& head, int64_t i) const {
    const int64_t seen = call_.causal ? i + 1 : head.keys;
    Weights at{seen, std::vector<double>(size(seen)), 0};
    double den = call_.epsilon;
    for (int64_t j = 0; j < seen; ++j) {
      for (int64_t f = 0; f < map_.features; ++f) {
        at.p[size(j)] += head.phi_q[size(i * map_.features + f)] * head.phi_k[size(j * map_.features + f)];
      }
    }
    record(Recorder::current(), "U", {head.sequence, head.head, i}, at.p);
    for (const double each : at.p) den += each;
    at.inverse = den == 0 ? 0 : 1 / den;
    for (double& p : at.p) p *= at.inverse;
    record(Recorder::current(), "P", {head.sequence, head.head, i}, at.p);
    return at;
  }

  // da of query i; adds to dv.
  std::vector<double> weights_backward(const Head& head, int64_t i, const Weights& at, const double* dout,
                                       Tensor& dv) const {
    std::vector<double> dp(size(at.seen));
    double mean = 0;
    for (int64_t j = 0; j < at.seen; ++j) {
      for (int64_t c = 0; c < values(); ++c) {
        dp[size(j)] += dout[c] * value(head, j)[c];
        row(dv, head.key(j))[c] += at.p[size(j)] * dout[c];
      }
    }
    record(Recorder::current(), "dP", {head.sequence, head.head, i}, dp);
    for (int64_t j = 0; j < at.seen; ++j) mean += at.p[size(j)] * dp[size(j)];
    for (double& each : dp) each = (each - mean) * at.inverse;
    record(Recorder::current(), "dU", {head.sequence, head.head, i}, dp);
    return dp;
  }

  template <class Fn>
  void each_head(Fn&& fn) const {
    for (int s = 0; s < call_.queries.count(); ++s) {
      for (int h = 0; h < call_.heads(); ++h) {
        Head head{s,
                  h,
                  call_.heads(),
                  call_.queries.begin(s),
                  call_.queries.length(s),
                  call_.keys.begin(s),
                  call_.keys.length(s),
                  {},
                  {}};
        head.phi_q.resize(size(head.queries * map_.features));
        head.phi_k.resize(size(head.keys * map_.features));
        for (int64_t i = 0; i < head.queries; ++i) {
          map_.value(row(call_.q, head.query(i)), &head.phi_q[size(i * map_.features)]);
          record(Recorder::current(), "phi_Q", {s, h, i}, features_of(head.phi_q, i));
        }
        for (int64_t j = 0; j < head.keys; ++j) {
          map_.value(row(call_.k, head.key(j)), &head.phi_k[size(j * map_.features)]);
          record(Recorder::current(), "phi_K", {s, h, j}, features_of(head.phi_k, j));
        }
        fn(head);
      }
    }
  }

  Map map_;
  FeatureCall call_;
};

template <class Map>
Tensor attend_by_definition(const Map& map, const FeatureCall& call, std::vector<Tensor> inputs) {
  const ProfileScope scope(call.name);
  const Defined<Map> defined(map, call);
  return differentiable(call.name, defined.forward(), std::move(inputs), [defined](const Tensor& dout, Adjoints& into) {
    const std::vector<Tensor> d = defined.backward(dout.compact());
    for (size_t input = 0; input < d.size(); ++input) into.add(input, d[input]);
  });
}

}  // namespace attune::attention::features
