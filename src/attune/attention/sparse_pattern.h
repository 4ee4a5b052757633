// Which keys a query may see where attention is sparse: the sliding window of Longformer (Beltagy 2020), the strided
// and fixed patterns of the Sparse Transformer (Child 2019), and BigBird's blocks (Zaheer 2020). A pattern is one more
// member of a Mask (scaled_dot.h): the fused kernel visits those blocks of keys alone that it leaves visible.
//
// Positions count from the sequence's first key; query i of nq stands at key i + nk - nq, as with every mask, so that a
// causal decoder may ask step by step. A causal mask hides the keys behind the query, whatever the pattern says.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "attune/tensor/segments.h"

namespace attune::attention {

// Longformer, 3.1: a window of w keys in all, w / 2 on each side of the query (and the query's own place), those d
// places apart. With a causal mask the left half is left.
struct SlidingWindow {
  int window = 512;                // w, even
  std::vector<int> dilation = {};  // d: one for all heads, or by head; none: 1
};
// Sparse Transformer, 4.3: even heads see the last `stride` keys, themselves among them, odd heads every stride-th key.
// Without a causal mask both reach as far to the right.
struct StridedPattern {
  int stride = 128;
};
// Sparse Transformer, 4.3: even heads see the query's own stretch of `stride` keys (counted from the sequence's first),
// odd heads the last `summary` keys of every stretch. A causal query before the first of these sees nothing there.
struct FixedPattern {
  int stride = 128, summary = 8;
};
// BigBird, 2: keys and queries in blocks (the last may be shorter). A query sees `window_blocks` around its own block,
// the global blocks, and `random_blocks` others, drawn for each head and block of queries from the seed and the number
// of blocks alone; queries of global blocks see everything. ITC: of `global_blocks`, the first half (rounded up) of
// them stand at the sequence's beginning, the others at its end. ETC: no global blocks, but leading global tokens
// (GlobalTokens), behind which the blocks begin. It has no causal form: global blocks see and are seen on both sides.
struct BigBird {
  int block = 64, window_blocks = 3, global_blocks = 2, random_blocks = 3;
  uint64_t seed = 0;
};

// Tokens that see all keys and that all queries see, beside the pattern's own.
struct GlobalTokens {
  int leading = 0;                               // the first ones of every sequence
  std::vector<std::vector<int>> positions = {};  // more, of each sequence; empty: no more
  bool attend = true;                            // false: their own queries see nothing here (see longformer.h)
};

struct SparsePattern {
  std::variant<SlidingWindow, StridedPattern, FixedPattern, BigBird> rule;
  GlobalTokens global = {};
};

// A query and a key of a head in a sequence of so many keys.
struct QueryAndKey {
  int sequence = 0, head = 0;
  int query = 0, key = 0;  // positions
  int keys = 0;
};

// The definition, before causality and any other mask.
bool may_see(const SparsePattern& pattern, const QueryAndKey& pair);

// The blocks that BigBird's dice give to a block of queries of a head, in ascending order: not global, none of its
// window, and all there are where fewer remain than it asks for.
std::vector<int> random_blocks(const BigBird& rule, int head, int query_block, int blocks);
int count_blocks(const BigBird& rule, int tokens);
// How many of the sequence's first and of its last blocks are global.
struct GlobalBlocks {
  int first = 0, last = 0;
};
GlobalBlocks global_blocks(const BigBird& rule, int blocks);

// Throws unless the pattern's numbers make sense for so many heads and such sequences, and for a causal mask.
void check_pattern(const SparsePattern& pattern, bool causal, int heads, const Segments& queries, const Segments& keys);

bool is_global(const GlobalTokens& global, int sequence, int position);
int dilation_of(const SlidingWindow& rule, int head);

}  // namespace attune::attention
