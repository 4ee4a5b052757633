// What the kernels of lsh_cpu.cpp and lsh_backward_cpu.cpp go over: chunks, blocks of their queries, and what a thread
// keeps of one. Internal to them.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "attune/attention/head_rows-inl.h"
#include "attune/attention/lsh_items.h"
#include "attune/attention/lsh_rows_cpu.h"
#include "attune/attention/products-inl.h"
#include "attune/base/parallel.h"

namespace attune::attention::cpu {

inline constexpr float infinity = std::numeric_limits<float>::infinity();

inline constexpr int64_t block = 64;  // queries that are worked on together

// Queries `first` ... `first + count - 1` of a chunk in sorted order.
struct LshItem {
  int sequence;
  int64_t head, chunk, first, count;
};

// Chunks of one colour may be worked on at the same time in the backward: neighbours differ. The last of an odd number
// stands beside the first.
inline int colour_of(const LshCut& cut, int64_t chunk) {
  return chunk + 1 == cut.chunks && cut.chunks % 2 == 1 ? 2 : static_cast<int>(chunk % 2);
}
inline constexpr int colours = 3;

// Whole chunks.
template <class Wanted>
std::vector<LshItem> chunks_of(const LshOrder& order, int round, Wanted&& wanted) {
  std::vector<LshItem> items;
  for (int s = 0; s < order.segments().count(); ++s) {
    const LshCut cut = order.cut(s);
    if (round >= order.rounds(s) || cut.tokens == 0) continue;
    for (int64_t head = 0; head < order.heads(); ++head) {
      for (int64_t t = 0; t < cut.chunks; ++t) {
        if (wanted(cut, t)) items.push_back({s, head, t, 0, cut.length(t)});
      }
    }
  }
  return items;
}

// The same queries, a block at a time.
inline std::vector<LshItem> in_blocks(std::span<const LshItem> chunks) {
  std::vector<LshItem> items;
  for (LshItem item : chunks) {
    const int64_t length = item.count;
    for (item.first = 0; item.first < length; item.first += block) {
      item.count = std::min(block, length - item.first);
      items.push_back(item);
    }
  }
  return items;
}

struct LshInputs {
  const Tensor &q, &v;
  const LshOrder& order;

  const float* at(const Tensor& x, const LshItem& item, int32_t position) const {
    return x.pointer<float>() + (order.segments().begin(item.sequence) + position) * x.stride(0) +
           item.head * x.stride(1);
  }
  // Of a chunk and the one before it.
  int64_t most_keys() const {
    int64_t most = 1;
    for (int s = 0; s < order.segments().count(); ++s) {
      const LshCut cut = order.cut(s);
      most = std::max(most, std::min<int64_t>(cut.chunks, 2) * ((cut.tokens + cut.chunks - 1) / cut.chunks));
    }
    return most;
  }
};

// A block of queries and its keys, side by side. Of one thread.
class LshBlock {
 public:
  explicit LshBlock(const LshInputs& in)
      : in_(in),
        most_keys_(in.most_keys()),
        q_(block, in.q.size(2)),
        k_(most_keys_, in.q.size(2)),
        v_(most_keys_, in.v.size(2)),
        scores_(block, most_keys_),
        others_(size(in.order.options().rounds * most_keys_)),
        own_(size(in.order.options().rounds * block)),
        before_(own_.size()) {}

  void load(const LshItem& item, int round) {
    item_ = item;
    const LshCut cut = in_.order.cut(item.sequence);
    const int32_t* sorted = in_.order.positions(item.sequence, item.head, round);
    positions_.assign(sorted + cut.begin(item.chunk), sorted + cut.begin(item.chunk + 1));
    if (cut.chunks > 1) {
      const int64_t before = cut.before(item.chunk);
      positions_.insert(positions_.end(), sorted + cut.begin(before), sorted + cut.begin(before + 1));
    }
    const Written q = q_.rows(item.count), k = k_.rows(keys_count()), v = v_.rows(keys_count());
    for (int64_t i = 0; i < q.count; ++i) std::copy_n(in_.at(in_.q, item, query(i)), q.columns, q[i]);
    for (int64_t j = 0; j < k.count; ++j) {
      const float* given = in_.at(in_.q, item, key(j));
      const float square = dot(given, given, k.columns);
      std::copy_n(given, k.columns, k[j]);
      if (square != 0) scale(1 / std::sqrt(square), k[j], k.columns);
      std::copy_n(in_.at(in_.v, item, key(j)), v.columns, v[j]);
    }
    load_other_rounds(cut, round);
  }

  int32_t query(int64_t i) const { return positions_[size(item_.first + i)]; }
  int32_t key(int64_t j) const { return positions_[size(j)]; }  // the chunk's own first
  Given queries() const { return q_.rows(item_.count); }
  Given keys() const { return k_.rows(keys_count()); }
  Given values() const { return v_.rows(keys_count()); }
  Written scores() const { return {scores_.data(), item_.count, keys_count(), keys_count()}; }

  LshRow row(int64_t i) const {
    LshRow row{query(i), positions_.data(), keys_count(), in_.order.options().causal, others_count_};
    if (others_count_ > 0) {
      row.distance = most_keys_;
      row.chunks = others_.data();
      row.own = &own_[size(i * others_count_)];
      row.before = &before_[size(i * others_count_)];
    }
    return row;
  }

 private:
  static size_t size(int64_t count) { return static_cast<size_t>(count); }
  int64_t keys_count() const { return static_cast<int64_t>(positions_.size()); }

  void load_other_rounds(const LshCut& cut, int round) {
    others_count_ = 0;
    if (!in_.order.options().count_once) return;
    for (int r = 0; r < in_.order.rounds(item_.sequence); ++r) {
      if (r == round) continue;
      const int32_t* chunks = in_.order.chunks(item_.sequence, item_.head, r);
      int32_t* to = &others_[size(others_count_ * most_keys_)];
      for (int64_t j = 0; j < keys_count(); ++j) to[j] = chunks[key(j)];
      ++others_count_;
    }
    for (int64_t n = 0; n < item_.count * others_count_; ++n) {
      own_[size(n)] = others_[size(n % others_count_ * most_keys_ + item_.first + n / others_count_)];
      before_[size(n)] = static_cast<int32_t>(cut.before(own_[size(n)]));
    }
  }

  const LshInputs& in_;
  int64_t most_keys_, others_count_ = 0;
  Buffer q_, k_, v_, scores_;
  std::vector<int32_t> positions_;     // of the keys
  std::vector<int32_t> others_;        // their chunks in the other rounds, most_keys_ apart
  std::vector<int32_t> own_, before_;  // the queries' there, and those before, [queries, others]
  LshItem item_{};
};

// to = weights x. A NaN of a row that is hidden must not come through its 0.
inline void multiply_weights(const Given& weights, const Given& x, const Written& to, Products& products) {
  if (all_finite(x)) {
    products(weights.matrix(), x.matrix(), to.matrix());
    return;
  }
  for (int64_t r = 0; r < weights.count; ++r) {
    std::fill_n(to[r], to.columns, 0.0F);
    for (int64_t c = 0; c < weights.columns; ++c) {
      if (weights[r][c] != 0) add_scaled(weights[r][c], x[c], to[r], to.columns);
    }
  }
}

// fn(state, item) for all items, with a state for each stretch of them that a thread takes.
template <class State, class Fn>
void over_items(const std::vector<LshItem>& items, State&& state, Fn&& fn) {
  parallel_for(static_cast<int64_t>(items.size()), 1, [&](int64_t begin, int64_t end) {
    auto own = state();
    for (int64_t n = begin; n < end; ++n) fn(own, items[static_cast<size_t>(n)]);
  });
}

// fn(item of one token) for every token of every head
template <class Fn>
void over_tokens(const LshOrder& order, Fn&& fn) {
  const int64_t heads = order.heads();
  parallel_items(order.segments().count() * heads, [&](int64_t index) {
    const int s = static_cast<int>(index / heads);
    for (int32_t i = 0; i < order.segments().length(s); ++i) fn(LshItem{s, index % heads, 0, 0, 1}, i);
  });
}

}  // namespace attune::attention::cpu
