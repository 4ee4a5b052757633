// The backward of lsh.h in float32: P is computed again from the logarithm of a row's sum. In a round chunks of queries
// share nothing, but a chunk of keys serves two of queries: runs of chunks that are neighbours are worked on one after
// the other, in an order that the number of chunks alone decides. Memory beside the forward's: the keys' gradient, a
// number a query and head.
#include <iterator>
#include <utility>

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
    block_.load(item, round);
    const int64_t base = in_.order.segments().begin(item.sequence), statistics = item.head * to_.means.size(1) + base;
    const Written p = block_.scores(), ds{ds_.data(), p.count, p.columns, p.columns}, dout = dout_.rows(p.count);
    const auto query = [&](int64_t i) { return block_.query(i); };
    over_rows(lsh_rows(to_.dout, base, item.head), dout.columns, p.count, query,
              [&](int64_t i, const float* row) { std::copy_n(row, dout.columns, dout[i]); });
    products_(block_.queries().matrix(), block_.keys().transposed(), p.matrix());
    products_(Given(dout).matrix(), block_.values().transposed(), ds.matrix());
    const float *log_sums = to_.log_sum.pointer<float>() + statistics, *means = to_.means.pointer<float>() + statistics;
    for (int64_t i = 0; i < p.count; ++i) {
      lsh_weigh_backward(block_.row(i), log_sums[query(i)], means[query(i)], p[i], ds[i]);
    }
    const auto key = [&](int64_t j) { return block_.key(j); };
    add_rows(ds, block_.keys(), lsh_rows(to_.dq, base, item.head), query);
    add_rows(turned(ds), block_.queries(), lsh_rows(to_.dk, base, item.head), key);
    add_rows(turned(p), dout, lsh_rows(to_.dv, base, item.head), key);
  }

 private:
  Given turned(const Given& x) {
    transpose(x, turned_.data());
    return {turned_.data(), x.columns, x.count, x.count};
  }

  // Row at(r) of `to` += row r of weights x
  template <class At>
  void add_rows(const Given& weights, const Given& x, const LshRows<float>& to, At&& at) {
    const Written rows{rows_.data(), weights.count, x.columns, x.columns};
    multiply_weights(weights, x, rows, products_);
    over_rows(to, rows.columns, rows.count, at,
              [&](int64_t r, float* row) { add_scaled(1, rows[r], row, rows.columns); });
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
  const Segments& segments = order.segments();
  over_heads(order, [&](int s, int64_t head) {
    const int64_t begin = segments.begin(s), statistics = head * means.size(1) + begin;
    const auto dy = lsh_rows(dout, begin, head), y = lsh_rows(forward.out, begin, head);
    for (int i = 0; i < segments.length(s); ++i) {
      means.pointer<float>()[statistics + i] = dot(dy[i], y[i], v.size(2));
      if (forward.log_sum.pointer<float>()[statistics + i] == infinity) {
        std::copy_n(dy[i], v.size(2), lsh_rows(d.v, begin, head)[i]);
      }
    }
  });
  const Backward::To to{dout, forward.log_sum, means, d.q, dk, d.v};
  for (int round = 0; round < order.options().rounds; ++round) {
    const std::vector<LshRun> all = runs_of(order, round);
    for (int colour = 0; colour < colours; ++colour) {
      std::vector<LshRun> runs;
      std::copy_if(all.begin(), all.end(), std::back_inserter(runs),
                   [&](const LshRun& run) { return run.colour == colour; });
      over_items(
          runs, [&] { return Backward(in, to); },
          [&](Backward& backward, const LshRun& run) {
            over_blocks(run, order.cut(run.sequence), [&](const LshItem& item) { backward.add(item, round); });
          });
    }
  }
  over_heads(order, [&](int s, int64_t head) {
    const int64_t begin = segments.begin(s);
    const auto queries = lsh_rows(q, begin, head), keys = lsh_rows(std::as_const(dk), begin, head);
    for (int i = 0; i < segments.length(s); ++i) {
      keys_backward(queries[i], keys[i], lsh_rows(d.q, begin, head)[i], q.size(2));
    }
  });
  return d;
}

}  // namespace attune::attention::cpu
