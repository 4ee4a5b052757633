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

#include "attune/attention/scaled_dot_gather-inl.h"
#include "attune/attention/scaled_dot_pack-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::cpu::HWY_NAMESPACE {

// T: of the values and the output; K: of queries and keys as Step takes them.
template <class T, class K = T, class Step = MultiplyAdd>
class ForwardItem {
 public:
  // next: the item that this thread works on after this one, or null.
  ForwardItem(const Fused& in, const Weighing& weighing, const Item& item, const Item* next, ForwardOut& to,
              Scratch& scratch)
      : in_(in),
        w_(weighing),
        item_(item),
        to_(to),
        queries_(item.query_end - item.query_begin),
        rows_((item.head_end - item.head_begin) * queries_),
        sharing_(in.sizes.group() * queries_),
        depth_(in.sizes.depth * static_cast<int>(sizeof(T)) / static_cast<int>(sizeof(K))),
        values_(in.sizes.value_depth),
        padded_depth_(round_up(depth_, lanes)),
        padded_values_(round_up(values_, lanes)),
        k_(strided<T, K>(in.k)),
        v_(strided<T>(in.v)),
        ahead_({k_.at(0, item.kv_head), k_.row, k_.head}, (item.head_end - item.head_begin) / in.sizes.group(),
               depth_) {
    plain_ = w_.normaliser == Normaliser::softmax && !w_.modifies() && w_.allowed == nullptr && w_.drop_below == 0;
    // Few queries read the values where they are; many are worth a copy that stays in the first cache.
    packs_values_ = !std::is_same_v<T, float> || values_ != padded_values_ || sharing_ > most_rows_of_direct_values ||
                    in.blocks.reorders();
    const int64_t rows = rows_, gathered = Gathered::floats(values_);
    const bool merges = spans_of(item) > 1;
    scratch.begin(rows * (padded_depth_ + (merges ? 2 : 1) * gathered) +
                  block_keys * (depth_ + padded_depth_ + padded_values_) + rows_together * block_keys + 256);
    q_ = scratch.take(rows * padded_depth_);
    gathered_ = {item.part < 0 ? scratch.take(rows * gathered) : to.parts + item.part * gathered, gathered};
    span_ = {merges ? scratch.take(rows * gathered) : nullptr, gathered};
    keys_across_ = scratch.take(int64_t{block_keys} * depth_);
    keys_in_order_ = scratch.take(int64_t{block_keys} * padded_depth_);
    packed_values_ = scratch.take(int64_t{block_keys} * padded_values_);
    scores_ = scratch.take(rows_together * block_keys);
    dropout_.resize(w_.drop_below != 0 ? static_cast<size_t>(rows_) : 0);
    if (in.blocks) list_visits();
    fresh_.resize(static_cast<size_t>(rows_));
    if (next != nullptr) look_ahead(*next);
  }

  void run() {
    prepare_rows();
    gather(gathered_, item_.key_begin);
    for (int key = end_of_span(item_, item_.key_begin); key < item_.key_end; key = end_of_span(item_, key)) {
      gather(span_, key);
      for (int row = 0; row < rows_; ++row) merge_row(gathered_, row, span_, row, padded_values_);
    }
    if (to_.visited != nullptr) to_.visited->fetch_add(visited_, std::memory_order_relaxed);
    if (item_.part >= 0) return;
    for (int first = 0; first < rows_; first += lanes) {
      const int count = std::min(lanes, rows_ - first);
      const Sums sums(gathered_, first, count);
      for (int r = 0; r < count; ++r) {
        const int row = first + r;
        finish_row<T>(w_, gathered_, row, sums.sum[r], sums.log[r], lies(row), head_of(row), in_.sizes, to_);
      }
    }
  }

 private:
  static constexpr int rows_together = 4 * tile_rows;  // whose scores wait for one another
  static constexpr int most_rows_of_direct_values = 4 * tile_rows;

  void look_ahead(const Item& next) {
    const int heads = next.head_end - next.head_begin, kv_heads = heads / in_.sizes.group();
    const int64_t keys = in_.keys.begin(next.sequence) + next.key_begin;
    if (in_.blocks.query_order(next.sequence, next.head_begin) != nullptr) return;
    upcoming_.add(strided<T, K>(in_.q), in_.queries.begin(next.sequence) + next.query_begin,
                  next.query_end - next.query_begin, next.head_begin, heads, depth_);
    if (in_.blocks) return;  // its blocks lie anywhere
    upcoming_.add(k_, keys, next.key_end - next.key_begin, next.kv_head, kv_heads, depth_);
    upcoming_.add(v_, keys, next.key_end - next.key_begin, next.kv_head, kv_heads, values_);
  }

  int head_of(int row) const { return item_.head_begin + row / queries_; }
  int query_of(int row) const { return item_.query_begin + row % queries_; }
  // Where a row lies, as the call counts queries.
  int64_t lies(int row) const {
    return in_.queries.begin(item_.sequence) +
           row_at(in_.blocks.query_order(item_.sequence, head_of(row)), query_of(row));
  }

  void prepare_rows() {
    const auto q = strided<T, K>(in_.q);
    const int64_t begin = in_.queries.begin(item_.sequence);
    for (int head = item_.head_begin; head < item_.head_end; ++head) {
      pack_rows(q.rows(begin, item_.query_begin, head, in_.blocks.query_order(item_.sequence, head)), queries_, depth_,
                q_ + int64_t{head - item_.head_begin} * queries_ * padded_depth_, padded_depth_);
    }
    for (int row = 0; row < rows_ && w_.drop_below != 0; ++row) {
      dropout_[static_cast<size_t>(row)] = row_dropout(in_, item_.sequence, head_of(row), query_of(row));
    }
  }

  // The blocks that some row's pattern wants visited.
  void list_visits() {
    const int first = item_.query_begin / block_queries, last = (item_.query_end - 1) / block_queries;
    for (int head = item_.head_begin; head < item_.head_end; ++head) {
      const BlockLayout& layout = in_.blocks.layout(item_.sequence, head);
      for (int n = first; n <= last; ++n) {
        for (const auto& visit : layout.visits_of(n)) visits_.push_back(visit.key_block * block_keys);
      }
    }
    std::sort(visits_.begin(), visits_.end());
    visits_.erase(std::unique(visits_.begin(), visits_.end()), visits_.end());
  }

  // The first block from `begin` on that is worth a visit, or the item's end.
  int block_from(int begin) const {
    if (!in_.blocks) return begin;
    const auto at = std::lower_bound(visits_.begin(), visits_.end(), begin);
    return at != visits_.end() ? *at : item_.key_end;
  }

  // Rows from `row` of a kv head on that go together; under a pattern they are of one head and block of queries.
  int rows_from(int row) const {
    const int most = std::min(rows_together, sharing_ - row);
    if (!in_.blocks) return most;
    const int query = row % queries_;  // an item begins with a block
    return std::min({most, queries_ - query, block_queries - query % block_queries});
  }

  // What the rows have of the keys from `begin` on to the end of their span.
  void gather(const Gathered& into, int begin) {
    into_ = into;
    start_rows(w_, into, rows_);
    std::fill(fresh_.begin(), fresh_.end(), uint8_t{1});
    const int end = end_of_span(item_, begin);
    for (int block = block_from(begin); block < end; block = next_block_) {
      kv_head_ = item_.kv_head;
      next_block_ = block_from(block + block_keys);
      const int64_t keys = in_.keys.begin(item_.sequence), next = next_block_;
      ahead_.set(keys + next, keys + std::min<int64_t>(next + block_keys, in_.keys.length(item_.sequence)));
      for (int first = 0; first < rows_; first += sharing_, ++kv_head_) {
        begin_block(block);
        for (int r = 0, count; r < sharing_; r += count) {
          count = rows_from(r);
          rows_of_block(block, first + r, count);
        }
      }
    }
  }

  void begin_block(int block) {
    keys_packed_ = values_packed_ = finite_known_ = false;
    block_rows_ = std::min(block_keys, in_.keys.length(item_.sequence) - block);
    const int64_t begin = in_.keys.begin(item_.sequence);
    const int32_t* const order = in_.blocks.key_order(item_.sequence, kv_head_ * in_.sizes.group());
    key_rows_ = k_.rows(begin, block, kv_head_, order);
    value_rows_ = v_.rows(begin, block, kv_head_, order);
    if constexpr (std::is_same_v<T, float>) right_ = {value_rows_.data, value_rows_.row};
  }

  void pack_keys(int block) {
    if (keys_packed_) return;
    keys_packed_ = true;
    pack_across(key_rows_, block_rows_, depth_, keys_in_order_, keys_across_);
    if (key_rows_.order != nullptr) return;
    const int next = std::clamp(item_.key_end - next_block_, 0, block_keys);
    prefetch(key_rows_, next_block_ - block, next, depth_);
    prefetch(value_rows_, next_block_ - block, next, values_);
  }

  // The next block comes while this one is worked on: rows lie apart, where no hardware foresees them.
  template <class X>
  static void prefetch(const PlacedRows<X>& rows, int distance, int count, int depth) {
    for (int r = 0; r < count; ++r) {
      const X* const row = rows.at(distance + r);
      for (int c = 0; c < depth; c += 64 / static_cast<int>(sizeof(X))) __builtin_prefetch(row + c, 0, 2);
    }
  }

  void pack_values() {
    if (packs_values_ && !values_packed_) {
      pack_rows(value_rows_, block_rows_, values_, packed_values_, padded_values_);
      right_ = {packed_values_, padded_values_};
    }
    values_packed_ = true;
  }

  bool values_finite() {
    if (!finite_known_) {
      finite_ = all_finite(right_.data, right_.row, block_rows_, padded_values_);
      finite_known_ = true;
    }
    return finite_;
  }

  void rows_of_block(int block, int first, int count) {
    if (in_.blocks && !visits(block, first)) return;
    if (plain_ && see_whole(block, first, count)) return whole_rows(block, first, count);
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
    if (reads_in_place()) {
      score(first, count, extent_of(group.any));
    } else {
      pack_keys(block);
      for (int r = 0; r < count; r += tile_rows) score_tile(rows + r, first + r, std::min(tile_rows, count - r), r);
    }
    pack_values();
    const bool last = next_block_ >= item_.key_end && item_.part < 0;
    for (int r = 0; r < count; r += tile_rows) {
      if (last) ask_for_results(first + r, std::min(tile_rows, count - r));
      weigh_tile(rows + r, first + r, std::min(tile_rows, count - r), scores_ + r * block_keys);
    }
  }

  // Whether the pattern of the rows from `first` on leaves them something of a block.
  bool visits(int block, int first) {
    const int query = query_of(first);
    visit_ = in_.blocks.layout(item_.sequence, head_of(first)).find(query / block_queries, block / block_keys);
    visited_ += visit_ != nullptr && query % block_queries == 0 ? 1 : 0;
    return visit_ != nullptr;
  }

  // Whether rows first ... first + count - 1 see all keys that a block has.
  bool see_whole(int block, int first, int count) const {
    if (!weighs_leading(block_rows_)) return false;
    if (in_.blocks) return visit_->words < 0;
    const int queries = in_.queries.length(item_.sequence), keys = in_.keys.length(item_.sequence);
    const auto sees = [&](int query) {
      const KeyRange seen = visible_keys(in_.options.mask, item_.query_begin + query, queries, keys);
      return seen.begin <= block && seen.end >= block + block_rows_;
    };
    // Both ends of what a query sees grow with the query.
    const int query = first % queries_;
    return query + count <= queries_ ? sees(query) && sees(query + count - 1) : sees(0) && sees(queries_ - 1);
  }

  // rows_of_block() where nothing that is there is hidden and nothing stands between product and exp.
  void whole_rows(int block, int first, int count) {
    const int vectors = (block_rows_ + lanes - 1) / lanes;
    if (reads_in_place()) {
      score(first, count, {0, block_vectors, 0, block_keys});
    } else {
      pack_keys(block);
      for (int r = 0; r < count; r += tile_rows) {
        multiply<Finish::scaled, Step>(std::min(tile_rows, count - r),
                                       {q_ + int64_t{first + r} * padded_depth_, padded_depth_, 1},
                                       {keys_across_, block_keys}, depth_, scores_ + r * block_keys, block_keys,
                                       vectors, &w_.scale, upcoming_.take(depth_));
      }
    }
    pack_values();
    const bool last = next_block_ >= item_.key_end && item_.part < 0;
    for (int r = 0; r < count; r += tile_rows) {
      const int together = std::min(tile_rows, count - r);
      if (last) ask_for_results(first + r, together);
      float factors[tile_rows];
      const bool rescales = weigh_leading(block_rows_, into_, first + r, together, scores_ + r * block_keys, factors);
      gather_values(first + r, together, {scores_ + r * block_keys, block_keys, 1}, right_, block_rows_,
                    rescales ? factors : nullptr);
    }
  }

  // Adds weights x values to the output so far of a register tile's rows, times `factors` if there are some.
  void gather_values(int first, int count, const Left& weights, const Right& values, int depth, const float* factors) {
    uint8_t& fresh = fresh_[static_cast<size_t>(first)];
    float* const out = into_.out(first);
    const int vectors = padded_values_ / lanes;
    if (fresh != 0) {
      multiply<Finish::store>(count, weights, values, depth, out, into_.row, vectors, nullptr, upcoming_.take(depth));
    } else if (factors != nullptr) {
      multiply<Finish::rescale>(count, weights, values, depth, out, into_.row, vectors, factors);
    } else if (reads_in_place() && !packs_values_) {
      multiply<Finish::add_ahead>(count, weights, values, depth, out, into_.row, vectors);
    } else {
      multiply<Finish::add>(count, weights, values, depth, out, into_.row, vectors, nullptr, upcoming_.take(depth));
    }
    fresh = 0;
  }

  // Where the results of some rows go: what is written there must come to the cache first, and does while the last
  // block is weighed.
  void ask_for_results(int first, int count) const {
    for (int row = first; row < first + count; ++row) {
      const int64_t at = lies(row) * in_.sizes.heads + head_of(row);
      const T* const out = static_cast<T*>(to_.out) + at * values_;
      for (int c = 0; c < values_; c += 64 / static_cast<int>(sizeof(T))) __builtin_prefetch(out + c, 1);
      __builtin_prefetch(to_.statistics + 2 * at, 1);
      if (to_.log_sum_exp != nullptr) __builtin_prefetch(to_.log_sum_exp + at, 1);
    }
  }

  // A whole block of keys, for so few rows that packing it would not pay.
  bool reads_in_place() const {
    return sharing_ <= most_rows_in_place && depth_ % 4 == 0 && block_rows_ == block_keys && key_rows_.order == nullptr;
  }

  void score(int first, int count, const Extent& extent) {
    for (int n = extent.first; n < extent.last; ++n) {
      score_in_place<Step>(count, {q_ + int64_t{first} * padded_depth_, padded_depth_, 1}, key_rows_.at(n * lanes),
                           key_rows_.row, depth_, w_.scale, scores_ + n * lanes, ahead_);
    }
  }

  void score_tile(const Row* rows, int first, int count, int r) {
    const Seen seen = seen_by(rows, count);
    if (seen.any == 0) return;
    const Extent extent = extent_of(seen.any);
    multiply<Finish::scaled, Step>(count, {q_ + int64_t{first} * padded_depth_, padded_depth_, 1},
                                   {keys_across_ + extent.first * lanes, block_keys}, depth_,
                                   scores_ + r * block_keys + extent.first * lanes, block_keys,
                                   extent.last - extent.first, &w_.scale, upcoming_.take(depth_));
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
      factors[r] = weigh(w_, rows[r], scores + r * block_keys, extent, into_.shift(row), into_.sums(row));
      rescales = rescales || factors[r] != 1;
      into_.visible(row) += static_cast<float>(std::popcount(rows[r].seen));
    }
    if (seen.hides() && !values_finite()) {
      uint8_t& fresh = fresh_[static_cast<size_t>(first)];
      careful_tile(rows, count, scores, factors, into_.out(first), fresh != 0);
      fresh = 0;
      return;
    }
    gather_values(first, count, {scores + extent.begin, block_keys, 1},
                  {right_.data + extent.begin * right_.row, right_.row}, extent.end - extent.begin,
                  rescales ? factors : nullptr);
  }

  void careful_tile(const Row* rows, int count, const float* scores, const float* factors, float* out, bool fresh) {
    for (int r = 0; r < count; ++r) {
      float* const o = out + r * into_.row;
      for (int c = 0; c < padded_values_; ++c) o[c] = fresh ? 0.0f : o[c] * factors[r];
      multiply_seen({scores + r * block_keys, 0, 1}, right_, rows[r].seen, o, padded_values_ / lanes);
    }
  }

  const Fused& in_;
  const Weighing& w_;
  const Item& item_;
  ForwardOut& to_;
  int queries_, rows_, sharing_;  // sharing_: rows of the same keys, those of one kv head
  int depth_, values_, padded_depth_, padded_values_;
  Strided<K> k_;
  Strided<T> v_;
  Ahead<K> ahead_;
  Upcoming upcoming_;
  bool packs_values_;
  bool plain_;  // nothing but causality, a band and a pattern between scores and a softmax
  // The block and kv head at work.
  int kv_head_ = 0, block_rows_ = 0;
  int next_block_ = 0;
  PlacedRows<K> key_rows_{};
  PlacedRows<T> value_rows_{};
  bool keys_packed_ = false, values_packed_ = false, finite_known_ = false, finite_ = false;
  Right right_{nullptr, 0};
  float* q_;                             // [rows, padded depth]
  Gathered gathered_, span_, into_{};    // all rows; their share of a later span; the one of both at work
  float *keys_across_, *keys_in_order_;  // K^T of a block [D, 64]; K, where it is put in order first
  float *packed_values_, *scores_;       // [64, padded values], [rows_together, 64]
  std::vector<RowDropout> dropout_;
  // Of a pattern: the blocks that some row visits; what the rows at work see of the one at work; how many were visited.
  std::vector<int> visits_;
  const BlockLayout::Visit* visit_ = nullptr;
  int64_t visited_ = 0;
  std::vector<uint8_t> fresh_;  // by a register tile's first row: nothing gathered yet
};

}  // namespace attune::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
