// feature_attention.h in float32, in chunks of 64 tokens: within a chunk the quadratic form, between chunks S and z,
//   num_i = S'phi(q_i) + sum_{j <= i in the chunk} phi(q_i).phi(k_j) v_j,   den_i alike from z,   out_i = num_i / den_i
// (where nothing is causal, all keys first). The backward computes features again, and S where the forward has not kept
// it, in a sweep for q, then sweeps in reverse for k and v: with g_i = dout_i / den_i and h_i = -(dout_i.out_i) /
// den_i,
//   dphi(q_i) = S g_i + h_i z,   dphi(k_j) = T v_j + t,   dv_j = T'phi(k_j),   T = sum_i phi(q_i) g_i',   t = sum_i h_i
//   phi(q_i)
// Memory beside the results: some matrices of a chunk and S for each thread, one or two numbers a query and head; where
// nothing is causal and sequences are long, S of each sequence and head: at most a 16th of v.
//
// A map gives, for rows of one head:
//   int64_t features() const;   static constexpr bool scaled;
//   void map(x, phi, log_scales) const            scaled: features are exp(log_scale) phi
//   void backward(x, phi, dphi, dx, from_scale) const   dphi may be overwritten; from_scale: whether the scale matters
// Scales: a query's cancels. A key's, s_j, comes in as exp(s_j - m_i), m_i the largest s among the keys that query i
// sees: nothing overflows, and no maximum over later keys reaches a bit of an earlier output.
#pragma once

#include <memory>
#include <utility>

#include "attune/attention/feature_items.h"
#include "attune/attention/feature_sums-inl.h"
#include "attune/autograd/tape.h"
#include "attune/base/parallel.h"
#include "attune/base/profile.h"

namespace attune::attention::features {

// What the forward leaves for the backward, [heads, queries] each.
struct Kept {
  Tensor inverse;     // 1 / den
  Tensor highest;     // m, of scaled maps where causal
  FeatureState past;  // behind all keys, if kept
};

// Room for the state of all of the call's keys.
inline FeatureState empty_state(const FeatureCall& call, int64_t features, bool scaled) {
  const int64_t sequences = call.keys.count();
  FeatureState state;
  state.sums = Tensor::empty({sequences, call.heads(), features, call.v.size(2)});
  state.normaliser = Tensor::empty({sequences, call.heads(), features});
  if (scaled) state.log_scale = Tensor::empty({sequences, call.heads()});
  return state;
}

struct Gradients {
  Tensor q, k, v;
};

// Of one sequence and head, on one thread.
template <class Map>
class Sweep {
 public:
  Sweep(const Map& map, const FeatureCall& call, int sequence, int head)
      : map_(map),
        call_(call),
        first_query_(call.queries.begin(sequence)),
        queries_(call.queries.length(sequence)),
        first_key_(call.keys.begin(sequence)),
        keys_(call.keys.length(sequence)),
        head_(head),
        item_(int64_t{sequence} * call.heads() + head),
        phi_q_(chunk, map.features()),
        phi_k_(chunk, map.features()),
        log_scales_(1, chunk),
        state_(map.features(), call.v.size(2)) {}

  void forward(Tensor& out, Kept& kept) {
    if (!call_.causal) absorb_all_keys();
    if (kept.past.sums) state_.write(kept.past, item_);
    Triangle pairs(Meets::until_itself);
    for (int64_t begin = 0; begin < queries_; begin += chunk) {
      const Written num = of_queries(out, begin);
      float *den = at(kept.inverse, begin), *highest = at(kept.highest, begin);
      const Given phi = map_queries(begin);
      if (call_.causal || begin == 0) seen_.pack(state_.matrix().matrix());
      seen_.multiply(phi.matrix(), num.matrix());
      cpu::dot_rows(phi, {state_.vector(), phi.count, phi.columns, 0}, den);
      if (call_.causal) {
        const Written phi_k = map_keys(begin);
        const Given v = of_keys(call_.v, begin);
        find_highest(highest, v.count);
        for (int64_t i = 0; scaled_causal() && i < num.count; ++i) {
          const float past = std::exp(state_.scale() - highest[i]);
          cpu::scale(past, num[i], num.columns);
          den[i] *= past;
        }
        pairs.multiply(phi, phi_k, products_);
        pairs.hide(log_scales(), highest);
        for (int64_t i = 0; i < num.count; ++i) den[i] += cpu::sum(pairs.row(i), i + 1);
        pairs.add_product(v, num, products_);
        absorb_keys(phi_k, v);
      }
      divide(num, den);
    }
  }

  void backward(const Tensor& out, const Tensor& dout, Kept& kept, Gradients& into) {
    const Given none = of_queries(dout, 0);
    Upstream up(none.columns);
    Sums readers(map_.features(), none.columns);
    query_sweep(out, dout, kept, up, readers, into.q);
    key_sweep(out, dout, kept, up, readers, into);
  }

  // Of all keys.
  void absorb_all_keys() {
    for (int64_t begin = 0; begin < keys_; begin += chunk) absorb_keys(map_keys(begin), of_keys(call_.v, begin));
  }
  Sums& state() { return state_; }

 private:
  // g and h of a chunk's queries.
  struct Upstream {
    explicit Upstream(int64_t values) : g(chunk, values), h(1, chunk) {}
    Buffer g, h;
  };

  bool scaled_causal() const { return Map::scaled && call_.causal; }
  const float* log_scales() { return Map::scaled ? log_scales_.data() : nullptr; }
  float* at(Tensor& kept, int64_t begin) const {
    return kept ? kept.pointer<float>() + head_ * kept.size(1) + first_query_ + begin : nullptr;
  }
  template <class X>
  auto of_queries(X& x, int64_t begin) const {
    return rows_of(x, head_, first_query_ + begin, std::min(chunk, queries_ - begin));
  }
  template <class X>
  auto of_keys(X& x, int64_t begin) const {
    return rows_of(x, head_, first_key_ + begin, std::min(chunk, keys_ - begin));
  }
  Written map_queries(int64_t begin) {
    const Given q = of_queries(call_.q, begin);
    const Written phi = phi_q_.rows(q.count);
    float unused[chunk];
    map_.map(q, phi, unused);
    return phi;
  }
  Written map_keys(int64_t begin) {
    const Given k = of_keys(call_.k, begin);
    const Written phi = phi_k_.rows(k.count);
    map_.map(k, phi, log_scales_.data());
    return phi;
  }

  // Leaves phi by the state's scale.
  void absorb_keys(const Written& phi, const Given& v) {
    if constexpr (Map::scaled) {
      const float* s = log_scales_.data();
      state_.rescale(std::max(state_.scale(), *std::max_element(s, s + phi.count)));
      for (int64_t j = 0; j < phi.count; ++j) cpu::scale(std::exp(s[j] - state_.scale()), phi[j], phi.columns);
    }
    state_.absorb(phi, v, nullptr, products_);
  }

  void find_highest(float* highest, int64_t count) {
    float largest = state_.scale();
    for (int64_t i = 0; scaled_causal() && i < count; ++i) {
      largest = std::max(largest, log_scales_.data()[i]);
      highest[i] = largest;
    }
  }

  void divide(const Written& num, float* den) const {
    for (int64_t i = 0; i < num.count; ++i) {
      const float sum = den[i] + static_cast<float>(call_.epsilon);
      den[i] = sum == 0 ? 0 : 1 / sum;  // 0: nothing to see
    }
    cpu::scale_rows(den, num, num);
  }

  void find_upstream(const Tensor& out, const Tensor& dout, Kept& kept, int64_t begin, Upstream& up) {
    const Given y = of_queries(out, begin), dy = of_queries(dout, begin);
    const float* inverse = at(kept.inverse, begin);
    cpu::scale_rows(inverse, dy, up.g.rows(y.count));
    cpu::dot_rows(dy, y, up.h.data());
    for (int64_t i = 0; i < y.count; ++i) up.h.data()[i] *= -inverse[i];
  }

  // readers: T and t of all queries, unless causal: there the sweep of keys sums them up.
  void query_sweep(const Tensor& out, const Tensor& dout, Kept& kept, Upstream& up, Sums& readers, Tensor& dq) {
    if (kept.past.sums) {
      state_.read(kept.past, item_);
    } else if (!call_.causal) {
      absorb_all_keys();
    }
    Triangle pairs(Meets::until_itself);
    Buffer memory(chunk, map_.features());
    for (int64_t begin = 0; begin < queries_; begin += chunk) {
      find_upstream(out, dout, kept, begin, up);
      const Given phi = map_queries(begin), g = up.g.rows(phi.count);
      const Written dphi = memory.rows(phi.count);
      if (call_.causal || begin == 0) seen_.pack(state_.matrix().transposed());
      seen_.multiply(g.matrix(), dphi.matrix());
      cpu::add_outer(up.h.data(), state_.vector(), dphi);
      if (call_.causal) {
        const Written phi_k = map_keys(begin);
        const Given v = of_keys(call_.v, begin);
        const float* highest = at(kept.highest, begin);
        for (int64_t i = 0; Map::scaled && i < g.count; ++i) {
          cpu::scale(std::exp(state_.scale() - highest[i]), dphi[i], dphi.columns);
        }
        pairs.multiply(g, v, products_);
        for (int64_t i = 0; i < g.count; ++i) {
          for (int64_t j = 0; j <= i; ++j) pairs.row(i)[j] += up.h.data()[i];
        }
        pairs.hide(log_scales(), highest);
        pairs.add_product(phi_k, dphi, products_);
        absorb_keys(phi_k, v);
      } else {
        readers.absorb(phi, g, up.h.data(), products_);
      }
      map_.backward(of_queries(call_.q, begin), phi, dphi, of_queries(dq, begin), false);
    }
  }

  void key_sweep(const Tensor& out, const Tensor& dout, Kept& kept, Upstream& up, Sums& readers, Gradients& into) {
    Buffer memory(chunk, map_.features());
    PackedOperand for_phi, for_v;
    Triangle pairs(Meets::from_itself);
    const int64_t last = keys_ == 0 ? -1 : (keys_ - 1) / chunk * chunk;
    for (int64_t begin = last; begin >= 0; begin -= chunk) {
      const Given phi = map_keys(begin), v = of_keys(call_.v, begin);
      const Written dphi = memory.rows(phi.count), dv = of_keys(into.v, begin);
      const float* highest = at(kept.highest, begin);
      if (call_.causal || begin == last) {
        for_phi.pack(readers.matrix().transposed());
        for_v.pack(readers.matrix().matrix());
      }
      for_phi.multiply(v.matrix(), dphi.matrix());
      for_v.multiply(phi.matrix(), dv.matrix());
      cpu::add_outer(nullptr, readers.vector(), dphi);
      for (int64_t j = 0; Map::scaled && j < phi.count; ++j) {
        // T stands for exp(-m) times itself, m of this chunk's last query, which no later one's is below.
        const float m = call_.causal ? highest[phi.count - 1] : state_.scale();
        const float factor = std::exp(log_scales_.data()[j] - m);
        cpu::scale(factor, dphi[j], dphi.columns);
        cpu::scale(factor, dv[j], dv.columns);
      }
      if (call_.causal) {
        find_upstream(out, dout, kept, begin, up);
        const Written phi_q = map_queries(begin);
        const Given g = up.g.rows(phi.count);
        pairs.multiply(phi, phi_q, products_);
        pairs.hide(log_scales(), highest);
        pairs.add_product(g, dv, products_);
        pairs.multiply(v, g, products_);
        for (int64_t j = 0; j < phi.count; ++j) pairs.add(j, up.h.data());
        pairs.hide(log_scales(), highest);
        pairs.add_product(phi_q, dphi, products_);
        if (begin > 0) absorb_readers(readers, phi_q, up, highest);
      }
      map_.backward(of_keys(call_.k, begin), phi, dphi, of_keys(into.k, begin), true);
    }
  }

  // highest: m of the chunk's first query; the one before it belongs to the chunk that comes next.
  void absorb_readers(Sums& readers, const Written& phi, Upstream& up, const float* highest) {
    if constexpr (Map::scaled) {
      const float m = highest[-1];
      readers.rescale(-m);
      for (int64_t i = 0; i < phi.count; ++i) cpu::scale(std::exp(m - highest[i]), phi[i], phi.columns);
    }
    readers.absorb(phi, up.g.rows(phi.count), up.h.data(), products_);
  }

  const Map& map_;
  const FeatureCall& call_;
  int64_t first_query_, queries_, first_key_, keys_;
  int head_;
  int64_t item_;
  Buffer phi_q_, phi_k_, log_scales_;
  Sums state_;
  PackedOperand seen_;  // S or its transpose
  Products products_;
};

// fn(sequence, head), several at a time
template <class Fn>
void over_heads(const FeatureCall& call, Fn&& fn) {
  parallel_items(int64_t{call.queries.count()} * call.heads(), [&](int64_t item) {
    fn(static_cast<int>(item / call.heads()), static_cast<int>(item % call.heads()));
  });
}

inline Tensor result_of(const Shape& shape, const Segments& where) {
  return where.packed() ? Tensor::empty(shape) : Tensor::zeros(shape);
}

// q, k, v: the call's, with their history.
template <class Map>
Tensor attend(std::shared_ptr<const Map> map, const FeatureCall& call, std::vector<Tensor> inputs) {
  const ProfileScope scope(call.name);
  Tensor out = result_of({call.q.size(0), call.q.size(1), call.v.size(2)}, call.queries);
  const Shape rows{call.q.size(1), call.q.size(0)};
  Kept kept{Tensor::empty(rows), Map::scaled && call.causal ? Tensor::empty(rows) : Tensor(), {}};
  const int64_t state = int64_t{call.keys.count()} * (map->features() * (call.v.size(2) + 1) + 1);
  if (recording({&inputs[0], &inputs[1], &inputs[2]}) && !call.causal &&
      16 * state <= call.v.size(0) * call.v.size(2)) {
    kept.past = empty_state(call, map->features(), Map::scaled);
  }
  over_heads(call, [&](int sequence, int head) { Sweep<Map>(*map, call, sequence, head).forward(out, kept); });
  return differentiable(call.name, out, std::move(inputs),
                        [map, call, kept, out = detach(out)](const Tensor& dy, Adjoints& into) mutable {
                          const Tensor dout = dy.compact();
                          Gradients d{result_of(call.q.shape(), call.queries), result_of(call.k.shape(), call.keys),
                                      result_of(call.v.shape(), call.keys)};
                          over_heads(call, [&](int sequence, int head) {
                            Sweep<Map>(*map, call, sequence, head).backward(out, dout, kept, d);
                          });
                          into.add(0, std::move(d.q));
                          into.add(1, std::move(d.k));
                          into.add(2, std::move(d.v));
                        });
}

// The state behind all of the call's keys.
template <class Map>
FeatureState state_after(const Map& map, const FeatureCall& call) {
  FeatureState state = empty_state(call, map.features(), Map::scaled);
  over_heads(call, [&](int sequence, int head) {
    Sweep<Map> sweep(map, call, sequence, head);
    sweep.absorb_all_keys();
    sweep.state().write(state, int64_t{sequence} * call.heads() + head);
  });
  return state;
}

// One token of each sequence. Its state takes in the key before the query reads it.
template <class Map>
Tensor step(const Map& map, const FeatureStep& operands, FeatureState& state, double epsilon) {
  prepare_state(operands, state);
  const int64_t heads = operands.q.size(1), values = operands.v.size(2), m = map.features();
  Tensor out = Tensor::empty({operands.q.size(0), heads, values});
  parallel_for(operands.q.size(0) * heads, 32768 / (m * values + 1) + 1, [&](int64_t begin, int64_t end) {
    Buffer phi_q(1, m), phi_k(1, m);
    for (int64_t item = begin; item < end; ++item) {
      const int head = static_cast<int>(item % heads);
      float unused = 0, s = 0, keep = 1, take = 1;
      map.map(rows_of(operands.q, head, item / heads, 1), phi_q.rows(1), &unused);
      map.map(rows_of(operands.k, head, item / heads, 1), phi_k.rows(1), &s);
      if constexpr (Map::scaled) {
        float& c = state.log_scale.template pointer<float>()[item];
        const float largest = std::max(c, s);
        keep = std::exp(c - largest), take = std::exp(s - largest);
        c = largest;
      }
      float* y = out.template pointer<float>() + item * values;
      const float den = cpu::step({phi_q.data(), phi_k.data(), rows_of(operands.v, head, item / heads, 1).data, m,
                                   values, keep, take},
                                  state.sums.template pointer<float>() + item * m * values,
                                  state.normaliser.template pointer<float>() + item * m, y) +
                        static_cast<float>(epsilon);
      cpu::scale(den == 0 ? 0 : 1 / den, y, values);
    }
  });
  return out;
}

}  // namespace attune::attention::features
