// The fused attention on the CPU. Work is cut into items of one sequence, one kv head and a stretch of its queries (in
// the backward all of them, so that dK and dV are summed in one fixed order). An item holds the scores of a few dozen
// queries against all keys of the sequence in scratch: whole rows, so softmax needs no rescaling.
#include <algorithm>
#include <cmath>
#include <vector>

#include "attune/attention/scaled_dot_items.h"
#include "attune/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "attune/attention/scaled_dot_cpu.cpp"
#include <hwy/foreach_target.h>

#include "attune/attention/scaled_dot_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::cpu::HWY_NAMESPACE {

// What forward and backward items know alike.
struct ItemShape {
  ItemShape(const Fused& in, const Item& item)
      : keys(in.keys.length(item.sequence)),
        queries(in.queries.length(item.sequence)),
        padded_keys(row_of(keys, lanes)),
        depth(in.sizes.depth),
        padded_depth(round_up(depth, lanes)),
        values(in.sizes.value_depth),
        padded_values(round_up(values, lanes)),
        tile(rows_per_tile(item.rows, padded_keys)),
        key_begin(in.keys.begin(item.sequence)),
        query_begin(in.queries.begin(item.sequence)),
        out_row(int64_t{in.sizes.heads} * values),
        dq_row(int64_t{in.sizes.heads} * depth),
        scale(static_cast<float>(scale_of(in.options, in.sizes))) {}

  int keys, queries, padded_keys;
  int depth, padded_depth, values, padded_values;
  int tile;  // queries in a tile
  int64_t key_begin, query_begin;
  int64_t out_row, dq_row;  // between the rows of one head in [Nq, Hq, Dv] and [Nq, Hq, D]
  float scale;
};

// Writes rows of a product where they belong: directly, or through `copy` where whole vectors would not fit.
template <Finish kFinish>
void multiply_into(int rows, Left a, Right b, int depth, float* to, int64_t to_row, int columns, float* copy,
                   const float* scale) {
  const int padded = round_up(columns, lanes);
  const bool direct = columns == padded;
  multiply<kFinish>(rows, a, b, depth, direct ? to : copy, direct ? to_row : padded, padded / lanes, scale);
  for (int r = 0; r < rows && !direct; ++r) {
    std::copy_n(copy + int64_t{r} * padded, columns, to + r * to_row);
  }
}

class ForwardItem {
 public:
  ForwardItem(const Fused& in, const Item& item, const ForwardOut& to, Scratch& scratch)
      : in_(in), item_(item), to_(to), shape_(in, item), q_(strided(in.q)) {
    const auto& s = shape_;
    scratch.begin(int64_t{s.depth + s.tile} * s.padded_keys + int64_t{s.keys + tile_rows} * s.padded_values);
    keys_across_ = scratch.take(int64_t{s.depth} * s.padded_keys);
    scores_ = scratch.take(int64_t{s.tile} * s.padded_keys);
    out_copy_ = scratch.take(int64_t{tile_rows} * s.padded_values);
    const Strided k = strided(in.k), v = strided(in.v);
    const float* const values = v.at(s.key_begin, item.kv_head);
    transpose(k.at(s.key_begin, item.kv_head), k.row, s.keys, s.depth, s.scale, keys_across_, s.padded_keys);
    values_ = whole_vectors(values, v.row, s.keys, s.values, scratch.take(int64_t{s.keys} * s.padded_values));
    // Hidden values are multiplied by 0 within a register tile; where one is not finite, rows go one by one instead.
    const bool careful = hides_keys(in.options.mask) && !all_finite(values, v.row, s.keys, s.values);
    step_ = careful ? 1 : tile_rows;
  }

  void run() {
    const int end = item_.first + item_.rows, group = in_.sizes.group();
    for (int first = item_.first; first < end; first += shape_.tile) {
      set_block(block_, in_.options.mask, first, std::min(shape_.tile, end - first), shape_.queries, shape_.keys);
      for (int head = item_.kv_head * group; head < (item_.kv_head + 1) * group; ++head) {
        key_products(block_, step_, {q_.at(shape_.query_begin + first, head), q_.row, 1},
                     {keys_across_, shape_.padded_keys}, shape_.depth, scores_, shape_.padded_keys, shape_.padded_keys);
        for (int r = 0; r < block_.rows; r += step_) {
          register_rows(head, r, std::min(step_, block_.rows - r));
        }
      }
    }
  }

 private:
  // From the scores of a register tile's rows to their outputs.
  void register_rows(int head, int begin, int rows) {
    const KeyRange seen = block_.seen(begin, begin + rows);
    float factors[tile_rows] = {};
    for (int r = 0; r < rows; ++r) {
      factors[r] = weigh_row(head, begin + r, seen);
    }
    const int64_t row = shape_.query_begin + block_.first + begin;
    multiply_into<Finish::scale>(rows,
                                 {scores_ + int64_t{begin} * shape_.padded_keys + seen.begin, shape_.padded_keys, 1},
                                 {values_.data + seen.begin * values_.row, values_.row}, seen.end - seen.begin,
                                 to_.out + row * shape_.out_row + int64_t{head} * shape_.values, shape_.out_row,
                                 shape_.values, out_copy_, factors);
  }

  // Scores -> weights; returns their common factor.
  float weigh_row(int head, int r, KeyRange seen) {
    const Floats d;
    const RowExtent& extent = block_.extents[static_cast<size_t>(r)];
    const RowDropout dropout = row_dropout(in_.options, item_.sequence, head, block_.first + r);
    float* const scores = scores_ + int64_t{r} * shape_.padded_keys;
    clear_outside(d, scores, extent, seen.begin / lanes, (seen.end + lanes - 1) / lanes);
    RowStatistics statistics{-std::numeric_limits<float>::infinity(), 0, 0};
    if (extent.first < extent.last) {
      statistics = weigh(d, scores, extent, in_.options.normaliser, dropout);
    }
    const int64_t at = (shape_.query_begin + block_.first + r) * in_.sizes.heads + head;
    if (to_.log_sum_exp != nullptr) to_.log_sum_exp[at] = statistics.log_sum_exp;
    to_.statistics[2 * at] = statistics.shift;
    to_.statistics[2 * at + 1] = statistics.factor;
    return statistics.factor * dropout.inverse;
  }

  const Fused& in_;
  const Item& item_;
  const ForwardOut& to_;
  ItemShape shape_;
  Strided q_;
  int step_;            // rows in a register tile
  float* keys_across_;  // scale K^T [D, padded keys]
  float* scores_;       // [tile, padded keys]
  float* out_copy_;
  Right values_;
  Block block_;
};

void forward_item(const Fused& in, const Item& item, const ForwardOut& to) {
  thread_local Scratch scratch;
  ForwardItem(in, item, to, scratch).run();
}

// The backward: all queries of one sequence and kv head.
class BackwardItem {
 public:
  BackwardItem(const Fused& in, const Item& item, const BackwardOut& to, Scratch& scratch)
      : in_(in), item_(item), to_(to), shape_(in, item), q_(strided(in.q)) {
    const auto& s = shape_;
    scratch.begin(int64_t{s.depth + s.values + 2 * s.tile} * s.padded_keys +
                  int64_t{2 * s.keys + s.tile + tile_rows} * s.padded_depth +
                  int64_t{s.keys + s.tile} * s.padded_values);
    keys_across_ = scratch.take(int64_t{s.depth} * s.padded_keys);
    values_across_ = scratch.take(int64_t{s.values} * s.padded_keys);
    weights_ = scratch.take(int64_t{s.tile} * s.padded_keys);
    grads_ = scratch.take(int64_t{s.tile} * s.padded_keys);
    dk_ = scratch.take(int64_t{s.keys} * s.padded_depth);
    dv_ = scratch.take(int64_t{s.keys} * s.padded_values);
    query_copy_ = scratch.take(int64_t{s.tile} * s.padded_depth);
    dq_copy_ = scratch.take(int64_t{tile_rows} * s.padded_depth);
    dout_copy_ = scratch.take(int64_t{s.tile} * s.padded_values);
    const Strided k = strided(in.k), v = strided(in.v);
    const float* const keys = k.at(s.key_begin, item.kv_head);
    keys_ = whole_vectors(keys, k.row, s.keys, s.depth, scratch.take(int64_t{s.keys} * s.padded_depth));
    transpose(keys, k.row, s.keys, s.depth, s.scale, keys_across_, s.padded_keys);
    transpose(v.at(s.key_begin, item.kv_head), v.row, s.keys, s.values, 1.0f, values_across_, s.padded_keys);
    hiding_ = hides_keys(in.options.mask);
    keys_finite_ = !hiding_ || all_finite(keys, k.row, s.keys, s.depth);
    std::fill_n(dk_, int64_t{s.keys} * s.padded_depth, 0.0f);
    std::fill_n(dv_, int64_t{s.keys} * s.padded_values, 0.0f);
  }

  void run() {
    const int group = in_.sizes.group();
    for (int head = item_.kv_head * group; head < (item_.kv_head + 1) * group; ++head) {
      for (int first = 0; first < shape_.queries; first += shape_.tile) {
        set_block(block_, in_.options.mask, first, std::min(shape_.tile, shape_.queries - first), shape_.queries,
                  shape_.keys);
        rebuild(head);
        query_gradients(head);
        key_gradients();
      }
    }
    for (int j = 0; j < shape_.keys; ++j) {
      const int64_t at = (shape_.key_begin + j) * in_.sizes.kv_heads + item_.kv_head;
      std::copy_n(dk_ + int64_t{j} * shape_.padded_depth, shape_.depth, to_.dk + at * shape_.depth);
      std::copy_n(dv_ + int64_t{j} * shape_.padded_values, shape_.values, to_.dv + at * shape_.values);
    }
  }

 private:
  // The block's weights W and scale ds.
  void rebuild(int head) {
    const auto& s = shape_;
    const int64_t row = s.query_begin + block_.first;
    queries_ = {q_.at(row, head), q_.row};
    douts_ = {to_.dout + row * s.out_row + int64_t{head} * s.values, s.out_row};
    // As in the forward: what hidden pairs multiply by 0 must be finite.
    const bool careful = hiding_ && !(keys_finite_ && all_finite(queries_.data, queries_.row, block_.rows, s.depth) &&
                                      all_finite(douts_.data, douts_.row, block_.rows, s.values));
    step_ = careful ? 1 : tile_rows;
    key_products(block_, step_, {queries_.data, queries_.row, 1}, {keys_across_, s.padded_keys}, s.depth, weights_,
                 s.padded_keys, s.padded_keys);
    key_products(block_, step_, {douts_.data, douts_.row, 1}, {values_across_, s.padded_keys}, s.values, grads_,
                 s.padded_keys, s.padded_keys);
    for (int r = 0; r < block_.rows; ++r) {
      rebuild_row(head, r);
    }
  }

  void rebuild_row(int head, int r) {
    const Floats d;
    const RowExtent& extent = block_.extents[static_cast<size_t>(r)];
    float* const scores = weights_ + int64_t{r} * shape_.padded_keys;
    float* const grads = grads_ + int64_t{r} * shape_.padded_keys;
    clear_outside(d, scores, extent, 0, shape_.padded_keys / lanes);
    clear_outside(d, grads, extent, 0, shape_.padded_keys / lanes);
    if (extent.first == extent.last) {
      return;
    }
    const int i = block_.first + r;
    const Normaliser normaliser = in_.options.normaliser;
    const int64_t at = (shape_.query_begin + i) * in_.sizes.heads + head;
    float subtract = 0;  // sum_j dP_j P_j = dout . out, with and without dropout
    if (normaliser == Normaliser::softmax || normaliser == Normaliser::relu_sum) {
      subtract = dot(d, douts_.data + r * douts_.row, to_.out + at * shape_.values, shape_.values);
    }
    if (to_.dlse != nullptr) subtract -= to_.dlse[at];
    weigh_backward(d, scores, grads, extent, normaliser, row_dropout(in_.options, item_.sequence, head, i),
                   {0, to_.statistics[2 * at], to_.statistics[2 * at + 1]}, subtract, shape_.scale);
  }

  // dq = scale ds K
  void query_gradients(int head) {
    float* const dq = to_.dq + (shape_.query_begin + block_.first) * shape_.dq_row + int64_t{head} * shape_.depth;
    for (int r = 0; r < block_.rows; r += step_) {
      const int rows = std::min(step_, block_.rows - r);
      const KeyRange seen = block_.seen(r, r + rows);
      multiply_into<Finish::store>(rows, {grads_ + int64_t{r} * shape_.padded_keys + seen.begin, shape_.padded_keys, 1},
                                   {keys_.data + seen.begin * keys_.row, keys_.row}, seen.end - seen.begin,
                                   dq + r * shape_.dq_row, shape_.dq_row, shape_.depth, dq_copy_, nullptr);
    }
  }

  // dv += W^T dout, dk += scale ds^T q
  void key_gradients() {
    const auto& s = shape_;
    const Right queries = whole_vectors(queries_.data, queries_.row, block_.rows, s.depth, query_copy_);
    const Right douts = whole_vectors(douts_.data, douts_.row, block_.rows, s.values, dout_copy_);
    const KeyRange all = block_.seen(0, block_.rows);
    for (int j = all.begin; j < all.end; j += step_) {
      const int columns = std::min(step_, all.end - j);
      const auto [from, until] = block_.seeing(j, j + columns);
      const int64_t corner = int64_t{from} * s.padded_keys + j;
      multiply<Finish::add>(columns, {weights_ + corner, 1, s.padded_keys}, {douts.data + from * douts.row, douts.row},
                            until - from, dv_ + int64_t{j} * s.padded_values, s.padded_values, s.padded_values / lanes);
      multiply<Finish::add>(columns, {grads_ + corner, 1, s.padded_keys},
                            {queries.data + from * queries.row, queries.row}, until - from,
                            dk_ + int64_t{j} * s.padded_depth, s.padded_depth, s.padded_depth / lanes);
    }
  }

  const Fused& in_;
  const Item& item_;
  const BackwardOut& to_;
  ItemShape shape_;
  Strided q_;
  bool hiding_, keys_finite_;
  int step_ = tile_rows;
  float *keys_across_, *values_across_;        // scale K^T, V^T
  float *weights_, *grads_;                    // [tile, padded keys]: scores, then W; dout V^T, then scale ds
  float *dk_, *dv_;                            // [keys, padded depth], sums
  float *query_copy_, *dq_copy_, *dout_copy_;  // where a depth is no multiple of the vector
  Right keys_, queries_, douts_;
  Block block_;
};

void backward_item(const Fused& in, const Item& item, const BackwardOut& to) {
  thread_local Scratch scratch;
  BackwardItem(in, item, to, scratch).run();
}

}  // namespace attune::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::attention::cpu {
HWY_EXPORT(forward_item);
HWY_EXPORT(backward_item);

namespace {

struct Plan {
  std::vector<Item> items;
  std::vector<size_t> shares;  // share s is items shares[s] ... shares[s + 1] - 1: enough work to be worth handing out
};

// longest: most queries of an item.
Plan plan_of(const Fused& in, int longest) {
  constexpr double worthwhile = 1 << 19;  // multiply-adds
  Plan plan{{}, {0}};
  double gathered = 0;
  for (int s = 0; s < in.queries.count(); ++s) {
    for (int head = 0; head < in.sizes.kv_heads; ++head) {
      for (int first = 0, left = std::max(in.queries.length(s), 1); left > 0; first += longest, left -= longest) {
        const int rows = std::min(longest, std::min(left, in.queries.length(s)));
        plan.items.push_back({s, head, first, rows});
        gathered +=
            (64.0 + in.keys.length(s)) * (rows + 1) * in.sizes.group() * (in.sizes.depth + in.sizes.value_depth);
        if (gathered >= worthwhile) {
          plan.shares.push_back(plan.items.size());
          gathered = 0;
        }
      }
    }
  }
  if (plan.shares.back() != plan.items.size()) plan.shares.push_back(plan.items.size());
  return plan;
}

template <class Run>
void run_plan(const Plan& plan, const Run& run) {
  parallel_items(static_cast<int64_t>(plan.shares.size()) - 1, [&](int64_t share) {
    for (size_t i = plan.shares[static_cast<size_t>(share)]; i < plan.shares[static_cast<size_t>(share) + 1]; ++i) {
      run(plan.items[i]);
    }
  });
}

}  // namespace

FusedForward fused_forward(const Fused& in) {
  const auto& sizes = in.sizes;
  const bool packed = in.queries.packed();
  const Shape shape{sizes.query_rows, sizes.heads, sizes.value_depth};
  FusedForward result{
      packed ? Tensor::empty(shape) : Tensor::zeros(shape), {}, Tensor::empty({sizes.query_rows, sizes.heads, 2})};
  ForwardOut to{result.out.pointer<float>(), nullptr, result.statistics.pointer<float>()};
  if (in.options.normaliser == Normaliser::softmax) {
    result.log_sum_exp = packed ? Tensor::empty({sizes.query_rows, sizes.heads})
                                : Tensor::full({sizes.query_rows, sizes.heads}, -INFINITY);
    to.log_sum_exp = result.log_sum_exp.pointer<float>();
  }
  run_plan(plan_of(in, 4 * most_rows), [&](const Item& item) { HWY_DYNAMIC_DISPATCH(forward_item)(in, item, to); });
  return result;
}

FusedGradients fused_backward(const Fused& in, const FusedForward& forward, const Tensor& dout, const Tensor& dlse) {
  check(in.keys.disjoint(), "scaled_dot: key segments overlap; the backward needs disjoint ones");
  FusedGradients result;
  result.q = in.queries.packed() ? Tensor::empty(in.q.shape()) : Tensor::zeros(in.q.shape());
  result.k = in.keys.packed() ? Tensor::empty(in.k.shape()) : Tensor::zeros(in.k.shape());
  result.v = in.keys.packed() ? Tensor::empty(in.v.shape()) : Tensor::zeros(in.v.shape());
  const Tensor dy = dout ? dout.compact() : Tensor::zeros(forward.out.shape());
  const Tensor dl = dlse ? dlse.compact() : Tensor();
  const BackwardOut to{forward.out.pointer<float>(), forward.statistics.pointer<float>(),
                       dy.pointer<float>(),          dl ? dl.pointer<float>() : nullptr,
                       result.q.pointer<float>(),    result.k.pointer<float>(),
                       result.v.pointer<float>()};
  run_plan(plan_of(in, std::max(1, in.queries.longest())), [&](const Item& item) {
    HWY_DYNAMIC_DISPATCH(backward_item)(in, item, to);
  });
  return result;
}

}  // namespace attune::attention::cpu
#endif
