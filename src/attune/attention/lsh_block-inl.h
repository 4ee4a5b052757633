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

// Chunks one after the other, whose keys follow from one another: what a thread takes.
struct LshRun {
  int sequence;
  int64_t head, begin, end;
  int colour;  // those of one colour share no keys: neighbours differ, and the last of an odd number is beside the
               // first
};
inline constexpr int64_t longest_run = 16;
inline constexpr int colours = 3;

inline std::vector<LshRun> runs_of(const LshOrder& order, int round) {
  std::vector<LshRun> result;
  for (int s = 0; s < order.segments().count(); ++s) {
    const LshCut cut = order.cut(s);
    if (round >= order.rounds(s) || cut.tokens == 0) continue;
    const int64_t runs = (cut.chunks + longest_run - 1) / longest_run;
    for (int64_t n = 0; n < order.heads() * runs; ++n) {
      const int64_t run = n % runs, begin = run * longest_run;
      const int colour = run + 1 == runs && runs % 2 == 1 ? 2 : static_cast<int>(run % 2);
      result.push_back({s, n / runs, begin, std::min(begin + longest_run, cut.chunks), colour});
    }
  }
  return result;
}

// fn(item) for the queries of a run, a block at a time
template <class Fn>
void over_blocks(const LshRun& run, const LshCut& cut, Fn&& fn) {
  for (int64_t chunk = run.begin; chunk < run.end; ++chunk) {
    for (int64_t first = 0; first < cut.length(chunk); first += block) {
      fn(LshItem{run.sequence, run.head, chunk, first, std::min(block, cut.length(chunk) - first)});
    }
  }
}

struct LshInputs {
  LshInputs(const Tensor& q_, const Tensor& v_, const LshOrder& order_) : q(q_), v(v_), order(order_) {}
  const Tensor &q, &v;
  const LshOrder& order;

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

// The rows of one sequence and head of a tensor [rows, heads, depth], by position.
template <class T>
struct LshRows {
  T* data;
  int64_t stride;
  T* operator[](int64_t position) const { return data + position * stride; }
};
inline LshRows<const float> lsh_rows(const Tensor& x, int64_t begin, int64_t head) {
  return {x.pointer<float>() + begin * x.stride(0) + head * x.stride(1), x.stride(0)};
}
inline LshRows<float> lsh_rows(Tensor& x, int64_t begin, int64_t head) {
  return {x.pointer<float>() + begin * x.stride(0) + head * x.stride(1), x.stride(0)};
}

// Rows that lie anywhere, one after the other: asks for the one that comes some steps later. fn(n, row n)
template <class T, class Position, class Fn>
void over_rows(const LshRows<T>& rows, int64_t columns, int64_t count, Position&& position, Fn&& fn) {
  constexpr int64_t ahead = 8, line = 64 / sizeof(float);
  for (int64_t n = 0; n < count; ++n) {
    const T* soon = rows[position(std::min(n + ahead, count - 1))];
    for (int64_t c = 0; c < columns; c += line) __builtin_prefetch(soon + c);
    fn(n, rows[position(n)]);
  }
}

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
        chunks_(size(in.order.options().rounds * most_keys_)),
        own_(size(in.order.options().rounds * block)),
        before_(own_.size()) {}

  // What the last one left is taken over: the same chunk's keys, or those that are now of the chunk before.
  void load(const LshItem& item, int round) {
    const LshCut cut = in_.order.cut(item.sequence);
    const bool there = round == round_ && item.sequence == item_.sequence && item.head == item_.head;
    if (!there || item.chunk != item_.chunk) {
      const bool follows = there && item.chunk == item_.chunk + 1;
      item_ = item;
      round_ = round;
      others_ = in_.order.options().count_once ? in_.order.rounds(item.sequence) - 1 : 0;
      if (follows) {
        forget_before();
      } else {
        positions_.clear();
        if (cut.chunks > 1) load_keys(cut, cut.before(item.chunk));
      }
      own_begin_ = keys_count();
      load_keys(cut, item.chunk);
    }
    item_ = item;
    const Written q = q_.rows(item.count);
    const auto given = lsh_rows(in_.q, in_.order.segments().begin(item.sequence), item.head);
    for (int64_t i = 0; i < q.count; ++i) std::copy_n(given[query(i)], q.columns, q[i]);
    for (int64_t n = 0; n < item.count * others_; ++n) {
      own_[size(n)] = chunks_[size(n % others_ * most_keys_ + own_begin_ + item.first + n / others_)];
      before_[size(n)] = static_cast<int32_t>(cut.before(own_[size(n)]));
    }
  }

  int32_t query(int64_t i) const { return positions_[size(own_begin_ + item_.first + i)]; }
  int32_t key(int64_t j) const { return positions_[size(j)]; }  // those of the chunk before stand in front
  Given queries() const { return q_.rows(item_.count); }
  Given keys() const { return k_.rows(keys_count()); }
  Given values() const { return v_.rows(keys_count()); }
  Written scores() const { return {scores_.data(), item_.count, keys_count(), keys_count()}; }

  LshRow row(int64_t i) const {
    const LshOptions& options = in_.order.options();
    const int32_t own = query(i);
    LshRow row{.positions = positions_.data(),
               .keys = keys_count(),
               .hidden = options.sees_itself ? -1 : own,
               .end = options.causal ? own + 1 : std::numeric_limits<int32_t>::max(),
               .others = others_};
    if (others_ > 0) {
      row.distance = most_keys_;
      row.chunks = chunks_.data();
      row.own = &own_[size(i * others_)];
      row.before = &before_[size(i * others_)];
    }
    return row;
  }

 private:
  static size_t size(int64_t count) { return static_cast<size_t>(count); }
  int64_t keys_count() const { return static_cast<int64_t>(positions_.size()); }

  void forget_before() {
    const auto keep = [&](auto* from, int64_t width) {
      std::copy(from + own_begin_ * width, from + keys_count() * width, from);
    };
    keep(k_.data(), in_.q.size(2));
    keep(v_.data(), in_.v.size(2));
    for (int64_t r = 0; r < others_; ++r) keep(&chunks_[size(r * most_keys_)], 1);
    positions_.erase(positions_.begin(), positions_.begin() + own_begin_);
  }

  void load_keys(const LshCut& cut, int64_t chunk) {
    const int32_t* sorted = in_.order.positions(item_.sequence, item_.head, round_);
    const int64_t begin = keys_count(), row = in_.order.segments().begin(item_.sequence);
    positions_.insert(positions_.end(), sorted + cut.begin(chunk), sorted + cut.begin(chunk + 1));
    const Written k = k_.rows(keys_count()), v = v_.rows(keys_count());
    const auto position = [&](int64_t j) { return key(begin + j); };
    over_rows(lsh_rows(in_.q, row, item_.head), k.columns, k.count - begin, position, [&](int64_t j, const float* q) {
      const float square = dot(q, q, k.columns);
      std::copy_n(q, k.columns, k[begin + j]);
      if (square != 0) scale(1 / std::sqrt(square), k[begin + j], k.columns);
    });
    over_rows(lsh_rows(in_.v, row, item_.head), v.columns, v.count - begin, position,
              [&](int64_t j, const float* given) { std::copy_n(given, v.columns, v[begin + j]); });
    for (int r = 0, other = 0; other < others_; ++r) {
      if (r == round_) continue;
      const int32_t* chunks = in_.order.chunks(item_.sequence, item_.head, r);
      int32_t* to = &chunks_[size(other++ * most_keys_)];
      for (int64_t j = begin; j < k.count; ++j) to[j] = chunks[key(j)];
    }
  }

  const LshInputs& in_;
  int64_t most_keys_, own_begin_ = 0, others_ = 0;  // of the keys that are the chunk's own; other rounds
  int round_ = -1;                                  // nothing loaded
  Buffer q_, k_, v_, scores_;
  std::vector<int32_t> positions_;     // of the keys
  std::vector<int32_t> chunks_;        // theirs in the other rounds, most_keys_ apart
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
template <class Item, class State, class Fn>
void over_items(const std::vector<Item>& items, State&& state, Fn&& fn) {
  parallel_for(static_cast<int64_t>(items.size()), 1, [&](int64_t begin, int64_t end) {
    auto own = state();
    for (int64_t n = begin; n < end; ++n) fn(own, items[static_cast<size_t>(n)]);
  });
}

// fn(sequence, head), several at a time
template <class Fn>
void over_heads(const LshOrder& order, Fn&& fn) {
  parallel_items(order.segments().count() * order.heads(),
                 [&](int64_t item) { fn(static_cast<int>(item / order.heads()), item % order.heads()); });
}

}  // namespace attune::attention::cpu
