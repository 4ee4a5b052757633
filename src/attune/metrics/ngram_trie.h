// Counts the n-grams of one sentence's references and matches a hypothesis against them.
//
// The n-grams are the nodes of a trie whose edges lie in one open-addressing table, keyed by (parent node, symbol): an
// n-gram costs one look-up, different n-grams can never be taken for one another, and a hypothesis stops at the first
// symbol that no reference continues with. start() forgets the last sentence without touching the table.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace attune {

template <int max_order>
class NgramTrie {
 public:
  using Counts = std::array<int64_t, max_order>;  // by order, unigrams first

  // `reference_symbols`: at least the number of symbols that add_reference will be given, over all its calls.
  void start(size_t reference_symbols) {
    size_t wanted = 16;
    while (wanted < 2 * static_cast<size_t>(max_order) * reference_symbols) wanted *= 2;
    if (edges_.size() < wanted) edges_.assign(wanted, Edge{});
    mask_ = wanted - 1;  // a short sentence keeps to the table's front, which stays in the cache
    ++sentence_;
    nodes_.assign(1, Node{});
    pass_ = 0;
  }

  // Several references: an n-gram's count is its greatest count in one of them.
  void add_reference(std::span<const uint32_t> symbols) {
    ++pass_;
    for (size_t begin = 0; begin < symbols.size(); ++begin) {
      uint32_t at = 0;
      for (size_t i = begin; i < symbols.size() && i < begin + max_order; ++i) {
        at = insert(at, symbols[i]);
        Node& node = nodes_[at];
        if (node.seen_in != pass_) node = Node{.most = node.most, .seen = 0, .seen_in = pass_};
        if (++node.seen > node.most) node.most = node.seen;
      }
    }
  }

  // The clipped matches of each order.
  Counts match(std::span<const uint32_t> symbols) {
    Counts matches{};
    ++pass_;
    for (size_t begin = 0; begin < symbols.size(); ++begin) {
      uint32_t at = 0;
      for (size_t order = 0; order < max_order && begin + order < symbols.size(); ++order) {
        at = find(at, symbols[begin + order]);
        if (at == 0) break;
        Node& node = nodes_[at];
        if (node.seen_in != pass_) node = Node{.most = node.most, .seen = 0, .seen_in = pass_};
        if (++node.seen <= node.most) ++matches[order];
      }
    }
    return matches;
  }

 private:
  struct Edge {
    uint64_t key = 0;       // parent node << 32 | symbol
    uint32_t sentence = 0;  // of an older sentence: free
    uint32_t node = 0;
  };
  struct Node {
    uint32_t most = 0;     // the greatest count in one reference
    uint32_t seen = 0;     // so far in the text of `seen_in`
    uint32_t seen_in = 0;  // the reference or hypothesis being counted
  };

  static uint64_t key_of(uint32_t parent, uint32_t symbol) { return static_cast<uint64_t>(parent) << 32 | symbol; }

  // The edge with this key or the free place for it. At most half of the table is taken, so there is always one.
  Edge& place(uint64_t key) {
    uint64_t hash = key * 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 32;
    size_t slot = hash & mask_;
    while (edges_[slot].sentence == sentence_ && edges_[slot].key != key) slot = (slot + 1) & mask_;
    return edges_[slot];
  }

  uint32_t insert(uint32_t parent, uint32_t symbol) {
    const uint64_t key = key_of(parent, symbol);
    Edge& edge = place(key);
    if (edge.sentence != sentence_) {
      edge = Edge{.key = key, .sentence = sentence_, .node = static_cast<uint32_t>(nodes_.size())};
      nodes_.emplace_back();
    }
    return edge.node;
  }

  // 0 when no reference has it; the root is never the end of an edge.
  uint32_t find(uint32_t parent, uint32_t symbol) {
    const Edge& edge = place(key_of(parent, symbol));
    return edge.sentence == sentence_ ? edge.node : 0;
  }

  std::vector<Edge> edges_;
  std::vector<Node> nodes_;  // [0] is the root
  size_t mask_ = 0;
  uint32_t sentence_ = 0;
  uint32_t pass_ = 0;
};

// How many n-grams of `order` (from 1) a text of `length` symbols has.
inline int64_t ngram_count(size_t length, size_t order) {
  return length < order ? 0 : static_cast<int64_t>(length - order + 1);
}

}  // namespace attune
