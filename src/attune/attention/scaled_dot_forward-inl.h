// The forward of one item of the fused attention. Queries (of all heads that share the keys) against one block of keys
// after another: scores in the first cache, weights without their common factor, their sum, and the output so far,
// shrunk when the shift of a row's softmax rises (Milakov, Gimelshein 2018; Dao 2022).

#if defined(ATTUNE_ATTENTION_SCALED_DOT_FORWARD_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_ATTENTION_SCALED_DOT_FORWARD_INL_H
#undef ATTUNE_ATTENTION_SCALED_DOT_FORWARD_INL_H
#else
#define ATTUNE_ATTENTION_SCALED_DOT_FORWARD_INL_H
#endif

#include <hwy/highway.h>

#include <cmath>
#include <cstring>
#include <type_traits>

#include "attune/attention/scaled_dot_pack-inl.h"
#include "attune/attention/scaled_dot_weigh-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::cpu::HWY_NAMESPACE {

template <class T>
class ForwardItem {
 public:
  ForwardItem(const Fused& in, const Weighing& weighing, const Item& item, ForwardOut& to, Scratch& scratch)
      : in_(in),
        w_(weighing),
        item_(item),
        to_(to),
        queries_(item.query_end - item.query_begin),
        rows_((item.head_end - item.head_begin) * queries_),
        depth_(in.sizes.depth),
        values_(in.sizes.value_depth),
        padded_depth_(round_up(depth_, lanes)),
        padded_values_(round_up(values_, lanes)),
        k_(strided<T>(in.k)),
        v_(strided<T>(in.v)) {
    // Few queries read the values where they are; many are worth a copy that stays in the first cache.
    packs_values_ = !std::is_same_v<T, float> || values_ != padded_values_ || rows_ > most_rows_of_direct_values;
    const int64_t rows = rows_;
    scratch.begin(rows * (padded_depth_ + padded_values_ + lanes + 4) + block_keys * (depth_ + padded_values_) +
                  rows_together * block_keys + 256);
    q_ = scratch.take(rows * padded_depth_);
    sums_ = scratch.take(rows * lanes);
    out_ = scratch.take(rows * padded_values_);
    keys_across_ = scratch.take(int64_t{block_keys} * depth_);
    packed_values_ = scratch.take(int64_t{block_keys} * padded_values_);
    scores_ = scratch.take(rows_together * block_keys);
    shift_ = scratch.take(rows);
    dropout_.resize(w_.drop_below != 0 ? static_cast<size_t>(rows_) : 0);
    visible_.assign(static_cast<size_t>(rows_), 0);
    fresh_.assign(static_cast<size_t>(rows_ / tile_rows + 1), 1);
  }

  void run() {
    prepare_rows();
    for (int block = item_.key_begin; block < item_.key_end; block += block_keys) {
      packed_ = false;
      for (int first = 0; first < rows_; first += rows_together) {
        rows_of_block(block, first, std::min(rows_together, rows_ - first));
      }
    }
    for (int row = 0; row < rows_; ++row) finish(row);
  }

 private:
  static constexpr int rows_together = 4 * tile_rows;  // whose scores wait for one another
  static constexpr int most_rows_of_direct_values = 4 * tile_rows;

  int head_of(int row) const { return item_.head_begin + row / queries_; }
  int query_of(int row) const { return item_.query_begin + row % queries_; }

  void prepare_rows() {
    const auto q = strided<T>(in_.q);
    const int64_t begin = in_.queries.begin(item_.sequence) + item_.query_begin;
    for (int head = item_.head_begin; head < item_.head_end; ++head) {
      pack_rows(q.at(begin, head), q.row, queries_, depth_,
                q_ + int64_t{head - item_.head_begin} * queries_ * padded_depth_, padded_depth_);
    }
    std::fill_n(sums_, int64_t{rows_} * lanes, 0.0f);
    std::fill_n(shift_, rows_, w_.normaliser == Normaliser::softmax ? std::numeric_limits<float>::lowest() : 0.0f);
    for (int row = 0; row < rows_ && w_.drop_below != 0; ++row) {
      dropout_[static_cast<size_t>(row)] =
          dropout_key(*in_.options.dropout.rng, item_.sequence, head_of(row), query_of(row));
    }
  }

  void pack(int block) {
    packed_ = true;
    const int keys = std::min(block_keys, in_.keys.length(item_.sequence) - block);
    const int64_t begin = in_.keys.begin(item_.sequence) + block;
    pack_across(k_.at(begin, item_.kv_head), k_.row, keys, depth_, keys_across_);
    if (packs_values_) {
      pack_rows(v_.at(begin, item_.kv_head), v_.row, keys, values_, packed_values_, padded_values_);
      right_ = {packed_values_, padded_values_};
    } else if constexpr (std::is_same_v<T, float>) {
      right_ = {v_.at(begin, item_.kv_head), v_.row};
    }
    finite_known_ = false;
    block_rows_ = keys;
    if (block + block_keys < item_.key_end) {
      prefetch(k_, begin + block_keys, item_.key_end - block - block_keys, depth_);
      prefetch(v_, begin + block_keys, item_.key_end - block - block_keys, values_);
    }
  }

  // The next block comes while this one is worked on: rows lie apart, where no hardware foresees them.
  void prefetch(const Strided<T>& x, int64_t begin, int rows, int depth) const {
    for (int r = 0; r < std::min(rows, block_keys); ++r) {
      const T* const row = x.at(begin + r, item_.kv_head);
      for (int c = 0; c < depth; c += 64 / static_cast<int>(sizeof(T))) __builtin_prefetch(row + c, 0, 2);
    }
  }

  bool values_finite() {
    if (!finite_known_) {
      finite_ = all_finite(right_.data, right_.row, block_rows_, padded_values_);
      finite_known_ = true;
    }
    return finite_;
  }

  void rows_of_block(int block, int first, int count) {
    Row rows[rows_together];
    alignas(64) float copies[rows_together][block_keys];
    Seen group;
    for (int r = 0; r < count;) {  // stretches of one head
      const int row = first + r, query = row % queries_, stretch = std::min(count - r, queries_ - query);
      see(rows + r, stretch, in_, w_, item_, head_of(row), item_.query_begin + query, block, copies + r, group);
      r += stretch;
    }
    if (group.any == 0) return;
    for (int r = 0; r < count && w_.drop_below != 0; ++r) rows[r].dropout = dropout_[static_cast<size_t>(first + r)];
    if (!packed_) pack(block);
    for (int r = 0; r < count; r += tile_rows) {
      const int tile = std::min(tile_rows, count - r);
      const Seen seen = seen_by(rows + r, tile);
      if (seen.any == 0) continue;
      const Extent extent = extent_of(seen.any);
      float* const scores = scores_ + r * block_keys;
      multiply<Finish::scaled>(tile, {q_ + int64_t{first + r} * padded_depth_, padded_depth_, 1},
                               {keys_across_ + extent.first * lanes, block_keys}, depth_, scores + extent.first * lanes,
                               block_keys, extent.last - extent.first, &w_.scale);
    }
    for (int r = 0; r < count; r += tile_rows) {
      weigh_tile(rows + r, first + r, std::min(tile_rows, count - r), scores_ + r * block_keys);
    }
  }

  // From the scores of a register tile's rows to their share of the output.
  void weigh_tile(const Row* rows, int first, int count, float* scores) {
    const Seen seen = seen_by(rows, count);
    if (seen.any == 0) return;
    const Extent extent = extent_of(seen.any);
    float factors[tile_rows];
    bool rescales = false;
    for (int r = 0; r < count; ++r) {
      const int row = first + r;
      factors[r] = weigh(w_, rows[r], scores + r * block_keys, extent, shift_[row], sums_ + int64_t{row} * lanes);
      rescales = rescales || factors[r] != 1;
      visible_[static_cast<size_t>(row)] += std::popcount(rows[r].seen);
    }
    uint8_t& fresh = fresh_[static_cast<size_t>(first / tile_rows)];
    float* const out = out_ + int64_t{first} * padded_values_;
    const Left left{scores + extent.begin, block_keys, 1};
    const Right right{right_.data + extent.begin * right_.row, right_.row};
    const int depth = extent.end - extent.begin, vectors = padded_values_ / lanes;
    if (seen.hides() && !values_finite()) {
      careful_tile(rows, count, scores, factors, out, fresh != 0);
    } else if (fresh != 0) {
      multiply<Finish::store>(count, left, right, depth, out, padded_values_, vectors);
    } else if (rescales) {
      multiply<Finish::rescale>(count, left, right, depth, out, padded_values_, vectors, factors);
    } else {
      multiply<Finish::add>(count, left, right, depth, out, padded_values_, vectors);
    }
    fresh = 0;
  }

  void careful_tile(const Row* rows, int count, const float* scores, const float* factors, float* out, bool fresh) {
    for (int r = 0; r < count; ++r) {
      float* const o = out + r * padded_values_;
      for (int c = 0; c < padded_values_; ++c) o[c] = fresh ? 0.0f : o[c] * factors[r];
      multiply_seen({scores + r * block_keys, 0, 1}, right_, rows[r].seen, o, padded_values_ / lanes);
    }
  }

  void finish(int row) {
    const Floats d;
    const float sum = hn::GetLane(hn::SumOfLanes(d, hn::LoadU(d, sums_ + int64_t{row} * lanes)));
    const int visible = visible_[static_cast<size_t>(row)];
    float factor = 1, log_sum_exp = -std::numeric_limits<float>::infinity();
    if (w_.normaliser == Normaliser::softmax) {
      factor = 1 / sum;
      log_sum_exp = shift_[row] + std::log(sum);
    } else if (w_.normaliser == Normaliser::relu_mean) {
      factor = 1 / static_cast<float>(visible);
    } else if (w_.normaliser == Normaliser::relu_sum) {
      factor = 1 / (sum + 1e-6f);
    }
    if (visible == 0) {
      factor = 0;
      log_sum_exp = -std::numeric_limits<float>::infinity();
    }
    const int64_t at = (in_.queries.begin(item_.sequence) + query_of(row)) * in_.sizes.heads + head_of(row);
    if (to_.log_sum_exp != nullptr) to_.log_sum_exp[at] = log_sum_exp;
    to_.statistics[2 * at] = shift_[row];
    to_.statistics[2 * at + 1] = factor;
    T* const out = to_.out.template pointer<T>() + at * values_;
    const bool empty = visible == 0;
    const float* const from = out_ + int64_t{row} * padded_values_;
    const float scale = factor * w_.keep_inverse;
    for (int c = 0; c < values_; ++c) out[c] = T(empty ? 0.0f : from[c] * scale);
  }

  const Fused& in_;
  const Weighing& w_;
  const Item& item_;
  ForwardOut& to_;
  int queries_, rows_, depth_, values_, padded_depth_, padded_values_;
  Strided<T> k_, v_;
  bool packs_values_;
  bool packed_ = false, finite_known_ = false, finite_ = false;
  int block_rows_ = 0;
  Right right_{nullptr, 0};
  float *q_, *out_;                 // [rows, padded depth], [rows, padded values]
  float *sums_, *shift_;            // [rows, lanes], [rows]
  float* keys_across_;              // K^T of a block [D, 64]
  float *packed_values_, *scores_;  // [64, padded values], [rows_together, 64]
  std::vector<uint64_t> dropout_;
  std::vector<int> visible_;
  std::vector<uint8_t> fresh_;  // by register tile: nothing in out_ yet
};

}  // namespace attune::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
