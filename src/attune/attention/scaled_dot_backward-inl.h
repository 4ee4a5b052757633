// The backward of one item of the fused attention: one block of keys after another, and for each the tiles of queries
// that see it. A tile's weights P are rebuilt from the row's statistics; with dP = dout V^T, dS = P (dP - r) it gives
//   dV += P^T dout      dK += dS^T Q      dQ += dS K.
// Every element of the three is one chain in the order of queries (heads outermost) or keys, however items are cut.

#if defined(ATTUNE_ATTENTION_SCALED_DOT_BACKWARD_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_ATTENTION_SCALED_DOT_BACKWARD_INL_H
#undef ATTUNE_ATTENTION_SCALED_DOT_BACKWARD_INL_H
#else
#define ATTUNE_ATTENTION_SCALED_DOT_BACKWARD_INL_H
#endif

#include <hwy/highway.h>

#include "attune/attention/scaled_dot_pack-inl.h"
#include "attune/attention/scaled_dot_weigh-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::cpu::HWY_NAMESPACE {

template <class T>
class BackwardItem {
 public:
  BackwardItem(const Fused& in, const Weighing& weighing, const Item& item, const BackwardOut& to, Scratch& scratch)
      : in_(in),
        w_(weighing),
        item_(item),
        to_(to),
        queries_(item.query_end - item.query_begin),
        depth_(in.sizes.depth),
        values_(in.sizes.value_depth),
        padded_depth_(round_up(depth_, lanes)),
        padded_values_(round_up(values_, lanes)) {
    const int64_t rows = int64_t{item.head_end - item.head_begin} * queries_;
    scratch.begin(block_keys * (depth_ + 2 * values_ + 2 * padded_depth_ + 2 * padded_values_) +
                  most_queries * (2 * padded_depth_ + padded_values_ + 2 * block_keys) + 512);
    keys_across_ = scratch.take(int64_t{block_keys} * depth_ + 16);
    values_across_ = scratch.take(int64_t{block_keys} * values_ + 16);
    out_across_ = scratch.take(int64_t{block_keys} * values_ + 16);
    in_order_ = scratch.take(int64_t{block_keys} * padded_values_);
    keys_ = scratch.take(int64_t{block_keys} * padded_depth_);
    dk_ = scratch.take(int64_t{block_keys} * padded_depth_);
    dv_ = scratch.take(int64_t{block_keys} * padded_values_);
    q_ = scratch.take(int64_t{most_queries} * padded_depth_);
    dout_ = scratch.take(int64_t{most_queries} * padded_values_);
    dq_ = scratch.take(int64_t{most_queries} * padded_depth_);
    weights_ = scratch.take(int64_t{most_queries} * block_keys);
    grads_ = scratch.take(int64_t{most_queries} * block_keys);
    statistics_.resize(static_cast<size_t>(rows));
    dropout_.resize(w_.drop_below != 0 ? static_cast<size_t>(rows) : 0);
    if (to.drelative != nullptr) {
      positions_ = int64_t{in.queries.length(item.sequence)} + in.keys.length(item.sequence) + block_keys;
      by_position_.assign(static_cast<size_t>(positions_ * (item.head_end - item.head_begin)), 0.0f);
    }
  }

  void run() {
    prepare_rows();
    for (int block = item_.key_begin; block < item_.key_end; block += block_keys) {
      each_tile(block);
      if (to_.dk != nullptr) finish_keys(block);
    }
    if (to_.visited != nullptr) to_.visited->fetch_add(visited_, std::memory_order_relaxed);
    if (to_.dq != nullptr) finish_queries();
    if (to_.drelative != nullptr) finish_relative();
  }

 private:
  static constexpr int tile_queries = 60;             // with 64 keys: P and dS of 15 KB each
  static constexpr int most_queries = block_queries;  // of a tile: a pattern's whole block

  int64_t row_of(int head, int i) const { return int64_t{head - item_.head_begin} * queries_ + i; }
  // Where a query of the item has its numbers.
  int64_t at(int head, int i) const {
    const int64_t lies = row_at(in_.blocks.query_order(item_.sequence, head), item_.query_begin + i);
    return (in_.queries.begin(item_.sequence) + lies) * in_.sizes.heads + head;
  }
  // Of a tensor of the queries' shape, the item's from `first` on.
  template <class X>
  PlacedRows<X> query_rows(const Tensor& x, int head, int first) const {
    return strided<X>(x).rows(in_.queries.begin(item_.sequence), item_.query_begin + first, head,
                              in_.blocks.query_order(item_.sequence, head));
  }

  // Statistics of all rows, and dq = 0.
  void prepare_rows() {
    for (int head = item_.head_begin; head < item_.head_end; ++head) {
      for (int i = 0; i < queries_; ++i) {
        const int64_t n = at(head, i);
        RowStatistics& row = statistics_[static_cast<size_t>(row_of(head, i))];
        row = {to_.statistics[2 * n], to_.statistics[2 * n + 1], to_.dlse != nullptr ? -to_.dlse[n] : 0.0f};
        if (w_.drop_below != 0) {
          dropout_[static_cast<size_t>(row_of(head, i))] =
              row_dropout(in_, item_.sequence, head, item_.query_begin + i);
        }
        if (to_.dq != nullptr) std::fill_n(to_.dq + n * depth_, depth_, 0.0f);
      }
      for (int first = 0; first < queries_ && w_.normaliser == Normaliser::softmax; first += block_keys) {
        subtract_dots(head, first, std::min(block_keys, queries_ - first));
      }
    }
    if (w_.normaliser == Normaliser::relu_sum) subtract_weighted_sums();
  }

  // sum_j dP_j P_j = dout . out, with and without dropout. In the order in which dP is summed: the one key of a row
  // that sees no other then gets exactly no gradient, as it should.
  void subtract_dots(int head, int first, int count) {
    const Floats d;
    pack_across(query_rows<float>(to_.dout, head, first), count, values_, in_order_, values_across_);
    pack_across(query_rows<T>(to_.out, head, first), count, values_, in_order_, out_across_);
    for (int n = 0; n < count; n += lanes) {
      Vector sum = hn::Zero(d);
      for (int c = 0; c < values_; ++c) {
        sum = hn::MulAdd(hn::LoadU(d, values_across_ + c * block_keys + n),
                         hn::LoadU(d, out_across_ + c * block_keys + n), sum);
      }
      alignas(64) float sums[lanes];
      hn::Store(sum, d, sums);
      for (int r = 0; r < std::min(lanes, count - n); ++r) {
        statistics_[static_cast<size_t>(row_of(head, first + n + r))].subtract += sums[r];
      }
    }
  }

  // The same for relu_sum, whose Jacobian multiplies by 1 / sum: where that is large, dout . out is not exact enough.
  void subtract_weighted_sums() {
    sweeping_ = true;
    for (int block = 0; block < in_.keys.length(item_.sequence); block += block_keys) each_tile(block);
    sweeping_ = false;
  }

  void each_tile(int block) {
    packed_ = false;
    for (int head = item_.head_begin; head < item_.head_end; ++head) {
      if (in_.blocks) {
        each_listed_tile(block, head);
        continue;
      }
      for (int first = 0; first < queries_; first += tile_queries) {
        tile_of_queries(block, head, first, std::min(tile_queries, queries_ - first));
      }
    }
  }

  // Of a pattern: the item's blocks of queries that visit the block of keys.
  void each_listed_tile(int block, int head) {
    const auto listed = in_.blocks.layout(item_.sequence, head).query_blocks_of(block / block_keys);
    auto at = std::lower_bound(listed.begin(), listed.end(), item_.query_begin / block_queries);
    for (; at != listed.end() && *at * block_queries < item_.query_end; ++at) {
      const int first = *at * block_queries - item_.query_begin;
      tile_of_queries(block, head, first, std::min(block_queries, queries_ - first));
      visited_ += sweeping_ ? 0 : 1;
    }
  }

  void pack(int block) {
    packed_ = true;
    block_rows_ = std::min(block_keys, in_.keys.length(item_.sequence) - block);
    const int64_t begin = in_.keys.begin(item_.sequence);
    const int32_t* const order = in_.blocks.key_order(item_.sequence, item_.head_begin);
    pack_rows(strided<T>(in_.k).rows(begin, block, item_.kv_head, order), block_rows_, depth_, keys_, padded_depth_);
    pack_across(keys_, padded_depth_, block_rows_, depth_, keys_across_);
    pack_across(strided<T>(in_.v).rows(begin, block, item_.kv_head, order), block_rows_, values_, in_order_,
                values_across_);
    keys_finite_ = all_finite(keys_, padded_depth_, block_rows_, padded_depth_);
    std::fill_n(dk_, int64_t{block_keys} * padded_depth_, 0.0f);
    std::fill_n(dv_, int64_t{block_keys} * padded_values_, 0.0f);
  }

  void tile_of_queries(int block, int head, int first, int count) {
    Row rows[most_queries];
    alignas(64) float copies[most_queries][block_keys];
    Seen seen;
    see(rows, count, in_, w_, item_, head, item_.query_begin + first, block, copies, seen);
    if (seen.any == 0) return;
    for (int r = 0; r < count && w_.drop_below != 0; ++r) {
      rows[r].dropout = dropout_[static_cast<size_t>(row_of(head, first + r))];
    }
    if (!packed_) pack(block);
    pack_rows(query_rows<T>(in_.q, head, first), count, depth_, q_, padded_depth_);
    pack_rows(query_rows<float>(to_.dout, head, first), count, values_, dout_, padded_values_);
    // What hidden pairs multiply by 0 must be finite.
    const bool careful = seen.hides() && !(keys_finite_ && all_finite(q_, padded_depth_, count, padded_depth_) &&
                                           all_finite(dout_, padded_values_, count, padded_values_));
    for (int r = 0; r < count; r += tile_rows) rebuild(rows + r, head, first, r, std::min(tile_rows, count - r));
    if (sweeping_) return;
    if (to_.dq != nullptr) {
      for (int r = 0; r < count; r += tile_rows) {
        query_gradients(rows + r, head, first, r, std::min(tile_rows, count - r), careful);
      }
    }
    if (to_.dk != nullptr) key_gradients(rows, count, seen, careful);
  }

  // W and dS of a register tile's rows, 0 in the rest of the block.
  void rebuild(const Row* rows, int head, int first, int tile, int count) {
    float* const weights = weights_ + tile * block_keys;
    float* const grads = grads_ + tile * block_keys;
    const Word any = seen_by(rows, count).any;
    if (any == 0) return clear(weights, grads, count * block_keys);
    const Extent extent = extent_of(any);
    if (extent.last - extent.first < block_vectors) clear(weights, grads, count * block_keys);
    const int offset = extent.first * lanes, vectors = extent.last - extent.first;
    multiply<Finish::scaled>(count, {q_ + tile * padded_depth_, padded_depth_, 1}, {keys_across_ + offset, block_keys},
                             depth_, weights + offset, block_keys, vectors, &w_.scale);
    multiply<Finish::store>(count, {dout_ + tile * padded_values_, padded_values_, 1},
                            {values_across_ + offset, block_keys}, values_, grads + offset, block_keys, vectors);
    for (int r = 0; r < count; ++r) {
      const int i = first + tile + r;
      RowStatistics& statistics = statistics_[static_cast<size_t>(row_of(head, i))];
      if (sweeping_) {
        statistics.subtract +=
            weighted_sum(w_, rows[r], statistics, weights + r * block_keys, grads + r * block_keys, extent);
        continue;
      }
      float spilled[block_keys] = {};
      float* const dbias = bias_gradient(head, item_.query_begin + i, rows[r].block);
      const bool spills = to_.dbias != nullptr && rows[r].block + block_keys > w_.bias_columns;
      weigh_backward(w_, rows[r], statistics, weights + r * block_keys, grads + r * block_keys, extent,
                     spills ? spilled : dbias);
      for (int64_t j = 0; spills && j < w_.bias_columns - rows[r].block; ++j) dbias[j] += spilled[j];
    }
  }

  static void clear(float* weights, float* grads, int count) {
    std::fill_n(weights, count, 0.0f);
    std::fill_n(grads, count, 0.0f);
  }

  // Where the gradients of a bias of query i and the block's keys add up; null: not wanted.
  float* bias_gradient(int head, int i, int block) {
    if (to_.dbias != nullptr) return to_.dbias + head * to_.dbias_head + i * to_.dbias_row + block;
    if (to_.drelative == nullptr) return nullptr;
    return by_position(head) + block - i + in_.queries.length(item_.sequence) - 1;
  }
  float* by_position(int head) { return by_position_.data() + (head - item_.head_begin) * positions_; }

  // dQ += dS K
  void query_gradients(const Row* rows, int head, int first, int tile, int count, bool careful) {
    const Word any = seen_by(rows, count).any;
    if (any == 0) return;
    const Extent extent = extent_of(any);
    const float* const grads = grads_ + tile * block_keys;
    const bool direct = depth_ == padded_depth_ && in_.blocks.query_order(item_.sequence, head) == nullptr;
    const auto dq = [&](int r) { return to_.dq + at(head, first + tile + r) * depth_; };
    float* const sums = direct ? dq(0) : dq_;
    const int64_t sums_row = direct ? int64_t{in_.sizes.heads} * depth_ : padded_depth_;
    for (int r = 0; r < count && !direct; ++r) {
      pack_rows(PlacedRows<float>{dq(r), 0}, 1, depth_, dq_ + r * padded_depth_, padded_depth_);
    }
    if (careful) {
      for (int r = 0; r < count; ++r) {
        multiply_seen({grads + r * block_keys, 0, 1}, {keys_, padded_depth_}, rows[r].seen, sums + r * sums_row,
                      padded_depth_ / lanes);
      }
    } else {
      multiply<Finish::add>(count, {grads + extent.begin, block_keys, 1},
                            {keys_ + extent.begin * padded_depth_, padded_depth_}, extent.end - extent.begin, sums,
                            sums_row, padded_depth_ / lanes);
    }
    for (int r = 0; r < count && !direct; ++r) std::copy_n(dq_ + r * padded_depth_, depth_, dq(r));
  }

  // dV += W^T dout, dK += dS^T Q
  void key_gradients(const Row* rows, int count, const Seen& seen, bool careful) {
    const Extent extent = extent_of(seen.any);
    for (int j = extent.begin; j < extent.end; j += tile_rows) {
      const int keys = std::min(tile_rows, extent.end - j);
      const Word these = word_of({j, j + keys}, 0);
      int from = 0, until = count;  // the rows that see some of these keys
      while (seen.hides() && from < until && (rows[from].seen & these) == 0) ++from;
      while (seen.hides() && until > from && (rows[until - 1].seen & these) == 0) --until;
      if (from == until) continue;
      if (careful) {
        for (int key = j; key < j + keys; ++key) careful_key(rows, count, key);
        continue;
      }
      const int corner = from * block_keys + j, depth = until - from;
      multiply<Finish::add>(keys, {weights_ + corner, 1, block_keys}, {dout_ + from * padded_values_, padded_values_},
                            depth, dv_ + j * padded_values_, padded_values_, padded_values_ / lanes);
      multiply<Finish::add>(keys, {grads_ + corner, 1, block_keys}, {q_ + from * padded_depth_, padded_depth_}, depth,
                            dk_ + j * padded_depth_, padded_depth_, padded_depth_ / lanes);
    }
  }

  void careful_key(const Row* rows, int count, int key) {
    Word seeing = 0;
    for (int r = 0; r < count; ++r) seeing |= ((rows[r].seen >> key) & 1) << r;
    multiply_seen({weights_ + key, 0, block_keys}, {dout_, padded_values_}, seeing, dv_ + key * padded_values_,
                  padded_values_ / lanes);
    multiply_seen({grads_ + key, 0, block_keys}, {q_, padded_depth_}, seeing, dk_ + key * padded_depth_,
                  padded_depth_ / lanes);
  }

  void finish_keys(int block) {
    const int keys = std::min(block_keys, in_.keys.length(item_.sequence) - block);
    const int32_t* const order = in_.blocks.key_order(item_.sequence, item_.head_begin);
    for (int j = 0; j < keys; ++j) {
      const int64_t n =
          (in_.keys.begin(item_.sequence) + row_at(order, block + j)) * in_.sizes.kv_heads + item_.kv_head;
      float *const dk = to_.dk + n * depth_, *const dv = to_.dv + n * values_;
      for (int c = 0; c < depth_; ++c) dk[c] = packed_ ? w_.scale * dk_[j * padded_depth_ + c] : 0.0f;
      for (int c = 0; c < values_; ++c) dv[c] = packed_ ? dv_[j * padded_values_ + c] : 0.0f;
    }
  }

  void finish_queries() {
    for (int head = item_.head_begin; head < item_.head_end; ++head) {
      for (int i = 0; i < queries_; ++i) {
        float* const dq = to_.dq + at(head, i) * depth_;
        for (int c = 0; c < depth_; ++c) dq[c] *= w_.scale;
      }
    }
  }

  void finish_relative() {
    const int queries = in_.queries.length(item_.sequence), keys = in_.keys.length(item_.sequence);
    if (queries == 0 || keys == 0) return;
    for (int head = item_.head_begin; head < item_.head_end; ++head) {
      add_relative_gradient(*to_.relative, {by_position(head), static_cast<size_t>(queries + keys - 1)},
                            to_.relative->center - (keys - 1),
                            to_.drelative + (int64_t{item_.sequence} * in_.sizes.heads + head) * to_.relative->numbers);
    }
  }

  const Fused& in_;
  const Weighing& w_;
  const Item& item_;
  const BackwardOut& to_;
  int queries_, depth_, values_, padded_depth_, padded_values_;
  bool packed_ = false, keys_finite_ = false, sweeping_ = false;
  int block_rows_ = 0;
  float *keys_across_, *values_across_, *out_across_;  // K^T, V^T of a block; out^T of 64 queries
  float* in_order_;                                    // what goes across, where it is put in order first
  float *keys_, *dk_, *dv_;                            // K, and the sums, of a block
  float *q_, *dout_, *dq_;   // of a tile of queries; dq_ where its rows do not lie as the products want them
  float *weights_, *grads_;  // [most_queries, 64]: scores, then W; dP, then dS
  std::vector<RowStatistics> statistics_;
  std::vector<RowDropout> dropout_;
  int64_t visited_ = 0;  // of a pattern: pairs of blocks
  int64_t positions_ = 0;
  std::vector<float> by_position_;  // gradients of a relative bias, by head
};

}  // namespace attune::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
