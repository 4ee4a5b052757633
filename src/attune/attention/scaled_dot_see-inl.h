// What a query of the fused attention sees of a block of keys: one word, whatever hides the rest of it.

#if defined(ATTUNE_ATTENTION_SCALED_DOT_SEE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_ATTENTION_SCALED_DOT_SEE_INL_H
#undef ATTUNE_ATTENTION_SCALED_DOT_SEE_INL_H
#else
#define ATTUNE_ATTENTION_SCALED_DOT_SEE_INL_H
#endif

#include <hwy/highway.h>

#include <bit>
#include <cstring>
#include <limits>

#include "attune/attention/scaled_dot_product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::attention::cpu::HWY_NAMESPACE {

HWY_INLINE hn::Mask<Floats> mask_of(Floats d, Word seen, int vector) {
  const Word bits = seen >> (vector * lanes);
  return hn::LoadMaskBits(d, reinterpret_cast<const uint8_t*>(&bits));
}

template <class D>
HWY_INLINE Word word_of_mask(D d, hn::Mask<D> mask, int vector) {
  uint8_t bytes[8] = {};
  hn::StoreMaskBits(d, mask, bytes);
  Word bits;
  std::memcpy(&bits, bytes, sizeof bits);
  return bits << (static_cast<size_t>(vector) * hn::Lanes(d));
}

// Of `seen`, the keys that an explicit mask's row allows too; its entries are read where a vector of them is seen.
inline Word allowed_of(const bool* row, Word seen, int columns) {
  const hn::CappedTag<uint8_t, 16> d;
  const int step = static_cast<int>(hn::Lanes(d));
  Word allowed = 0;
  int n = 0;
  for (; (n + 1) * step <= columns; ++n) {
    const auto bytes = hn::LoadU(d, reinterpret_cast<const uint8_t*>(row) + n * step);
    allowed |= word_of_mask(d, hn::Ne(bytes, hn::Zero(d)), n);
  }
  for (int j = n * step; j < columns; ++j) allowed |= Word{row[j]} << j;
  return allowed & seen;
}

// What dropout knows of a row: its key, and the keys of the sequence by their places where those are not the same.
struct RowDropout {
  uint64_t key;
  const int32_t* order;  // or null
};

// Query `i` of a head stands where the pattern put it; dropout knows it and the keys by where they lay.
inline RowDropout row_dropout(const Fused& in, int sequence, int head, int i) {
  const Rng& rng = *in.options.dropout.rng;
  const int64_t lies = row_at(in.blocks.query_order(sequence, head), i);
  return {dropout_key(rng, sequence, head, lies), in.blocks.key_order(sequence, head)};
}

// One query's side of the row passes.
struct Row {
  Word seen;          // keys of the block that it sees
  const float* bias;  // a block of it, or null
  RowDropout dropout;
  int block;  // the block's first key
};

// The bias of one query and block: 64 numbers, through `copy` where so many cannot be read.
inline const float* bias_of(const Weighing& w, int head, int i, int shift, int block, float* copy) {
  const float* row = w.bias + head * w.bias_head;
  if (w.relative) return row + w.bias_center + block - i - shift;
  row += i * w.bias_row + block;
  if (block + block_keys <= w.bias_columns) return row;
  std::copy_n(row, w.bias_columns - block, copy);
  std::fill(copy + (w.bias_columns - block), copy + block_keys, 0.0f);
  return copy;
}

// Keys whose bias is not -inf, which hides as a mask does.
HWY_INLINE Word finite_of(const float* bias) {
  const Floats d;
  const Vector hides = hn::Set(d, -std::numeric_limits<float>::infinity());
  Word finite = 0;
  for (int n = 0; n < block_vectors; ++n) {
    finite |= word_of_mask(d, hn::Ne(hn::LoadU(d, bias + n * lanes), hides), n);
  }
  return finite;
}

// What some and what all of several rows see.
struct Seen {
  Word any = 0, all = ~Word{0};
  void add(Word seen) {
    any |= seen;
    all &= seen;
  }
  // Whether between the first and the last key that some row sees there is one that some row does not see. any is not
  // 0.
  bool hides() const {
    const Word from_first = any >> std::countr_zero(any);
    return any != all || (from_first & (from_first + 1)) != 0;
  }
};

HWY_INLINE Seen seen_by(const Row* rows, int count) {
  Seen seen;
  for (int r = 0; r < count; ++r) seen.add(rows[r].seen);
  return seen;
}

// Sets the rows of queries first ... first + count - 1 of a head for a block (all but dropout); adds what they see to
// `seen`. copies: [count, 64]. Under a pattern the queries are of one block of them.
inline void see(Row* rows, int count, const Fused& in, const Weighing& w, const Item& item, int head, int first,
                int block, float (*copies)[block_keys], Seen& seen) {
  const int queries = in.queries.length(item.sequence), keys = in.keys.length(item.sequence);
  const Mask& mask = in.options.mask;
  const Word present = word_of({0, keys}, block);
  const Word* listed = nullptr;  // what a pattern leaves visible in part
  Word common = 0;
  if (in.blocks) {
    const BlockLayout& layout = in.blocks.layout(item.sequence, head);
    const auto* const visit = layout.find(first / block_queries, block / block_keys);
    if (visit != nullptr && visit->words < 0) common = present;
    if (visit != nullptr && visit->words >= 0) listed = layout.words.data() + visit->words + first % block_queries;
  } else {
    // Both ends of what a query sees grow with the query: what the first and the last see, all see.
    common = word_of(visible_keys(mask, first, queries, keys), block) &
             word_of(visible_keys(mask, first + count - 1, queries, keys), block);
  }
  for (int r = 0; r < count; ++r) {
    Row& row = rows[r];
    const int i = first + r;
    row = {present, nullptr, {}, block};
    if (listed != nullptr) {
      row.seen = listed[r];
    } else if (common != present) {
      row.seen = in.blocks ? 0 : word_of(visible_keys(mask, i, queries, keys), block);
    }
    if (w.allowed != nullptr && row.seen != 0) {
      row.seen = allowed_of(w.allowed + head * w.allowed_head + i * w.allowed_row + block, row.seen,
                            std::min(keys - block, block_keys));
    }
    if (w.bias != nullptr && row.seen != 0) {
      row.bias = bias_of(w, head, i, keys - queries, block, copies[r]);
      row.seen &= finite_of(row.bias);
    }
    seen.add(row.seen);
  }
}

}  // namespace attune::attention::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // per-target include guard
