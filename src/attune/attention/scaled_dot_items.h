// The plain parts of the fused attention kernel, the same for all instruction sets: work items, how scores become
// weights, scratch memory. Internal to this room.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "attune/attention/scaled_dot_relative.h"
#include "attune/attention/scaled_dot_terms.h"

namespace attune::attention::cpu {

// A row's keys are weighed in spans of 1,024, counted from the sequence's first, which are merged in order: threads can
// share a long cache, and a row's bits do not tell whether they did.
inline constexpr int span_keys = 16 * block_keys;

// Queries `query_begin ... query_end-1` of heads head_begin ... head_end-1 against the blocks that cover keys
// key_begin ... key_end-1 (key_begin is a multiple of block_keys). kv_head is the first of those heads'; in the
// backward they share it.
struct Item {
  int sequence, kv_head;
  int head_begin, head_end;
  int query_begin, query_end;
  int key_begin, key_end;
  int64_t part = -1;     // of what others gather too: where the rows go, to be merged
  int span = span_keys;  // of a pattern, whose blocks lie anywhere, all keys: merging would cost more than it saves
};

// Where the span of `key`, or the item, ends.
inline int end_of_span(const Item& item, int key) {
  return std::min(item.key_end, key / item.span * item.span + item.span);
}
inline int spans_of(const Item& item) {
  return item.key_begin < item.key_end ? (item.key_end - 1) / item.span - item.key_begin / item.span + 1 : 0;
}

// How the scores of a call become weights.
struct Weighing {
  Normaliser normaliser = Normaliser::softmax;
  float scale = 1;
  float cap_in = 0, cap_out = 0;  // score <- cap_out tanh(cap_in score); 0: no softcap
  // A bias: element (head, i, j) of a dense one at bias[head * bias_head + i * bias_row + j], of one
  // that depends on the relative position r at bias[head * bias_head + bias_center + r].
  const float* bias = nullptr;
  int64_t bias_head = 0, bias_row = 0, bias_columns = 0, bias_center = 0;
  bool relative = false;
  const bool* allowed = nullptr;  // as a dense bias
  int64_t allowed_head = 0, allowed_row = 0;
  uint32_t drop_below = 0;  // 0: nothing is dropped
  float keep_inverse = 1;   // 1 / (1 - rate)

  bool modifies() const { return cap_in != 0 || bias != nullptr; }
};

// `relative`: the table of a bias by relative position, or not given.
Weighing weighing_of(const Fused& in, const RelativeTable& relative);

// Floats of one thread, 64-byte aligned. Use: begin, then take what was announced.
class Scratch {
 public:
  void begin(int64_t floats) {
    const auto bytes = static_cast<size_t>(floats) * sizeof(float);
    if (!storage_ || storage_->bytes() < bytes) storage_ = std::make_unique<Storage>(bytes + bytes / 4);
    next_ = reinterpret_cast<float*>(storage_->data());
  }
  float* take(int64_t floats) {
    float* taken = next_;
    next_ += floats;
    return taken;
  }

 private:
  std::unique_ptr<Storage> storage_;
  float* next_ = nullptr;
};

// Rows of one head, by their places.
template <class T>
struct PlacedRows {
  const T* data;
  int64_t row;
  const int32_t* order = nullptr;  // null: they stand as they lie
  const T* at(int64_t place) const { return data + row_at(order, place) * row; }
};

template <class T>
struct Strided {  // [rows, heads, depth]
  const T* data;
  int64_t row, head;
  const T* at(int64_t r, int h) const { return data + r * row + h * head; }
  // Those of a sequence that begins with row `begin`, from a place on.
  PlacedRows<T> rows(int64_t begin, int64_t place, int h, const int32_t* order) const {
    return order == nullptr ? PlacedRows<T>{at(begin + place, h), row}
                            : PlacedRows<T>{at(begin, h), row, order + place};
  }
};

// Of a tensor of T, seen as K: T itself, or pairs of T in the bits of a float (pairs_up()).
template <class T, class K = T>
Strided<K> strided(const Tensor& x) {
  constexpr int64_t elements = sizeof(K) / sizeof(T);
  return {reinterpret_cast<const K*>(x.pointer<T>()), x.stride(0) / elements, x.stride(1) / elements};
}

// Whether the bfloat16 numbers of each head of each row are pairs that lie as float32 numbers may.
inline bool pairs_up(const Tensor& x) {
  const auto address = reinterpret_cast<uintptr_t>(x.pointer<BFloat16>());
  return x.size(2) % 2 == 0 && x.stride(0) % 2 == 0 && x.stride(1) % 2 == 0 && address % sizeof(float) == 0;
}

inline int round_up(int count, int unit) {
  return (count + unit - 1) / unit * unit;
}

inline Word word_of(KeyRange seen, int block) {
  const int begin = std::max(seen.begin - block, 0), end = std::min(seen.end - block, block_keys);
  if (begin >= end) return 0;
  return (~Word{0} >> (block_keys - end)) & (~Word{0} << begin);
}

// What rows have of some keys, each in a row of numbers: the sum of weighted values, the sums of weights by lane, both
// over e^shift; the shift; and how many keys they see (exact to 2^24).
struct Gathered {
  static constexpr int most_lanes = 16;  // of any instruction set
  float* data;
  int64_t row;

  static int64_t floats(int value_depth) { return round_up(value_depth, most_lanes) + 2 * most_lanes; }
  float* out(int64_t r) const { return data + r * row; }
  float* sums(int64_t r) const { return data + (r + 1) * row - 2 * most_lanes; }
  float& shift(int64_t r) const { return sums(r)[most_lanes]; }
  float& visible(int64_t r) const { return sums(r)[most_lanes + 1]; }
};

struct ForwardOut {
  void* out;                        // of the values' type
  float *log_sum_exp, *statistics;  // log_sum_exp may be null
  float* parts;                     // rows that several items gather, as Gathered
  std::atomic<int64_t>* visited;    // blocks of a pattern; null: not counted
};
struct BackwardOut {
  Tensor out, dout;
  const float *statistics, *dlse;  // dlse may be null
  float *dq, *dk, *dv;             // null: not wanted
  float* dbias;                    // dense: laid out [planes, rows, columns] like the bias; null: not wanted
  int64_t dbias_head, dbias_row;
  float* drelative;  // [sequences, heads, numbers of the table]; null: not wanted
  const RelativeTable* relative;
  std::atomic<int64_t>* visited;  // as in the forward
};

}  // namespace attune::attention::cpu
