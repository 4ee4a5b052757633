// The backward of lsh.h in float32: P is computed again from the logarithm of a row's sum. In a round chunks of queries
// share nothing, but a chunk of keys serves two of queries: neighbours are worked on one after the other, in an order
// that the number of chunks alone decides. Memory beside the forward's: the keys' gradient, a number a query and head.
#include "attune/attention/lsh_block-inl.h"

namespace attune::attention::cpu {

namespace {

class Backward {
 public:
  struct To {
    const Tensor &dout, &log_sum, &means;  // means: dout . out, [heads, rows]
    Tensor &dq, &dk, &dv;
  };

  Backward(const LshInputs& in, const To& to)
      : in_(in),
        to_(to),
        block_(in),
        dout_(block, in.v.size(2)),
        ds_(block, in.most_keys()),
        turned_(in.most_keys(), block),
        rows_(std::max(block, in.most_keys()), std::max(in.q.size(2), in.v.size(2))) {}

  void add(const LshItem& item, int round) {
    for (const LshItem& part : in_blocks(std::span(&item, 1))) add_block(part, round);
  }

 private:
  void add_block(const LshItem& item, int round) {
    block_.load(item, round);
    const int64_t base = in_.order.segments().begin(item.sequence);
    const Written p = block_.scores(), ds{ds_.data(), p.count, p.columns, p.columns}, dout = dout_.rows(p.count);
    for (int64_t i = 0; i < p.count; ++i) {
      std::copy_n(rows_of(to_.dout, static_cast<int>(item.head), base + block_.query(i), 1)[0], dout.columns, dout[i]);
    }
    products_(block_.queries().matrix(), block_.keys().transposed(), p.matrix());
    products_(Given(dout).matrix(), block_.values().transposed(), ds.matrix());
    for (int64_t i = 0; i < p.count; ++i) {
      const int64_t at = item.head * to_.means.size(1) + base + block_.query(i);
      lsh_weigh_backward(block_.row(i), to_.log_sum.pointer<float>()[at], to_.means.pointer<float>()[at], p[i], ds[i]);
    }
    add_rows(ds, block_.keys(), item, to_.dq, [&](int64_t i) { return base + block_.query(i); });
    const auto key = [&](int64_t j) { return base + block_.key(j); };
    add_rows(turned(ds), block_.queries(), item, to_.dk, key);
    add_rows(turned(p), dout, item, to_.dv, key);
  }

  Given turned(const Given& x) {
    transpose(x, turned_.data());
    return {turned_.data(), x.columns, x.count, x.count};
  }

  // Row row_at(r) of `to` += row r of weights x
  template <class At>
  void add_rows(const Given& weights, const Given& x, const LshItem& item, Tensor& to, At&& row_at) {
    const Written rows{rows_.data(), weights.count, x.columns, x.columns};
    multiply_weights(weights, x, rows, products_);
    for (int64_t r = 0; r < rows.count; ++r) {
      add_scaled(1, rows[r], rows_of(to, static_cast<int>(item.head), row_at(r), 1)[0], rows.columns);
    }
  }

  const LshInputs& in_;
  To to_;
  LshBlock block_;
  Buffer dout_, ds_, turned_, rows_;
  Products products_;
};

// dq += (dk - k (k.dk)) / |q|
void keys_backward(const float* q, const float* dk, float* dq, int64_t depth) {
  const float square = dot(q, q, depth);
  if (square == 0) return;
  add_scaled(1 / std::sqrt(square), dk, dq, depth);
  add_scaled(-dot(q, dk, depth) / (square * std::sqrt(square)), q, dq, depth);
}

}  // namespace

LshGradients lsh_backward(const Tensor& q, const Tensor& v, const LshOrder& order, const LshForward& forward,
                          const Tensor& dout) {
  const LshInputs in{q, v, order};
  LshGradients d{Tensor::zeros(q.shape()), Tensor::zeros(v.shape())};
  Tensor dk = Tensor::zeros(q.shape()), means = Tensor::zeros(forward.log_sum.shape());
  const auto row_of = [&](const auto& x, const LshItem& item, int32_t i) {
    return rows_of(x, static_cast<int>(item.head), order.segments().begin(item.sequence) + i, 1)[0];
  };
  const auto written = [&](Tensor& x, const LshItem& item, int32_t i) {
    return rows_of(x, static_cast<int>(item.head), order.segments().begin(item.sequence) + i, 1)[0];
  };
  over_tokens(order, [&](const LshItem& item, int32_t i) {
    const int64_t at = item.head * means.size(1) + order.segments().begin(item.sequence) + i;
    const float* dy = row_of(dout, item, i);
    means.pointer<float>()[at] = dot(dy, row_of(forward.out, item, i), v.size(2));
    if (forward.log_sum.pointer<float>()[at] == infinity) std::copy_n(dy, v.size(2), written(d.v, item, i));
  });
  const Backward::To to{dout, forward.log_sum, means, d.q, dk, d.v};
  for (int round = 0; round < order.options().rounds; ++round) {
    for (int colour = 0; colour < colours; ++colour) {
      over_items(
          chunks_of(order, round, [&](const LshCut& cut, int64_t t) { return colour_of(cut, t) == colour; }),
          [&] { return Backward(in, to); },
          [&](Backward& backward, const LshItem& item) { backward.add(item, round); });
    }
  }
  over_tokens(order, [&](const LshItem& item, int32_t i) {
    keys_backward(in.at(q, item, i), row_of(dk, item, i), written(d.q, item, i), q.size(2));
  });
  return d;
}

}  // namespace attune::attention::cpu
