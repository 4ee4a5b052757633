// A sparse pattern, and whatever a causal mask or a band hides of it, as the fused kernel wants it: for each block of
// 64 queries the blocks of 64 keys that it visits, and of those that are seen in part one word a query. Time and memory
// grow with the visible pairs, not with their square. Internal to this room.
//
// Keys that lie a stride apart are made neighbours: such a head takes the keys of a sequence (and its queries) in the
// order of their residues, so that every stride-th key is a stretch of whole blocks. Nothing moves for that: a block's
// rows are read from where they lie, and its results are written there.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "attune/attention/scaled_dot.h"

namespace attune::attention::cpu {

// Keys are taken in blocks of 64, counted from the sequence's first: a block's packed keys and values of the usual
// depth of 64 stay in the first cache, and what a query sees of a block is one word, bit j for key j of the block.
inline constexpr int block_keys = 64;
using Word = uint64_t;
// Queries of a sequence that share a list of visits: as many, since patterns come in blocks of 16, 32 or 64.
inline constexpr int block_queries = 64;

// Of one sequence, for heads that see the same.
struct BlockLayout {
  struct Visit {
    int key_block;
    int64_t words;  // where those of the query block's rows begin; -1: they all see all of it
  };
  std::vector<Visit> visits;  // by query block and key block
  std::vector<size_t> first_visit;
  std::vector<int> query_blocks;  // by key block
  std::vector<size_t> first_query_block;
  std::vector<Word> words;
  // Which stands at a place; empty: they stay as they lie. Whole blocks of keys, since dropout reads them by vectors.
  std::vector<int32_t> query_order, key_order;
  int64_t pairs = 0;

  std::span<const Visit> visits_of(int query_block) const;
  std::span<const int> query_blocks_of(int key_block) const;
  const Visit* find(int query_block, int key_block) const;  // null: not visited
};

// Which row of a sequence stands at a place; without an order they stand as they lie.
inline int64_t row_at(const int32_t* order, int64_t place) {
  return order == nullptr ? place : order[place];
}

class BlockMask {  // a value handle; default = not given
 public:
  BlockMask() = default;
  // Of a mask with a pattern. may_reorder: whether nothing else counts on keys and queries standing in their places.
  BlockMask(const Mask& mask, const Segments& queries, const Segments& keys, int heads, int kv_heads, bool may_reorder);

  explicit operator bool() const { return data_ != nullptr; }
  const BlockLayout& layout(int sequence, int head) const;
  bool reorders() const { return data_ != nullptr && data_->reorders; }
  const int32_t* query_order(int sequence, int head) const;  // null: none
  const int32_t* key_order(int sequence, int head) const;
  // Over all sequences and heads: pairs of blocks to visit, pairs of a query and a key that it sees.
  int64_t visits() const;
  int64_t pairs() const;

 private:
  struct Data {
    std::vector<int> kind_of_head;     // heads of one kind see the same, in the same order
    std::vector<BlockLayout> layouts;  // by kind and sequence
    int sequences = 0;
    bool reorders = false;
  };
  std::shared_ptr<const Data> data_;  // a value: never changes once made, so copies may share it
};

}  // namespace attune::attention::cpu
