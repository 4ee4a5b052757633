#include "attune/attention/sparse_pattern.h"

#include <algorithm>
#include <cstdlib>

#include "attune/base/check.h"
#include "attune/base/rng.h"

namespace attune::attention {

namespace {

bool rule_sees(const SlidingWindow& rule, const GlobalTokens&, const QueryAndKey& at) {
  const int dilation = dilation_of(rule, at.head), distance = std::abs(at.query - at.key);
  return distance % dilation == 0 && distance / dilation <= rule.window / 2;
}

bool rule_sees(const StridedPattern& rule, const GlobalTokens&, const QueryAndKey& at) {
  const int distance = std::abs(at.query - at.key);
  return at.head % 2 == 0 ? distance < rule.stride : distance % rule.stride == 0;
}

bool rule_sees(const FixedPattern& rule, const GlobalTokens&, const QueryAndKey& at) {
  return at.head % 2 == 0 ? at.query / rule.stride == at.key / rule.stride
                          : at.key % rule.stride >= rule.stride - rule.summary;
}

bool rule_sees(const BigBird& rule, const GlobalTokens& global, const QueryAndKey& at) {
  const int lead = global.leading;  // those are global tokens, and in no block
  const int blocks = count_blocks(rule, at.keys - lead);
  const int query = (at.query - lead) / rule.block, key = (at.key - lead) / rule.block;
  const GlobalBlocks ends = global_blocks(rule, blocks);
  const auto ends_hold = [&](int block) { return block < ends.first || block >= blocks - ends.last; };
  if (ends_hold(query) || ends_hold(key)) return true;
  if (std::abs(query - key) <= rule.window_blocks / 2) return true;
  const std::vector<int> drawn = random_blocks(rule, at.head, query, blocks);
  return std::binary_search(drawn.begin(), drawn.end(), key);
}

void check_rule(const SlidingWindow& rule, int heads) {
  check(rule.window >= 0 && rule.window % 2 == 0, "sliding window: the window is ", rule.window,
        " keys, expected an even number, half of it for each side");
  check(rule.dilation.size() <= 1 || rule.dilation.size() == static_cast<size_t>(heads),
        "sliding window: ", rule.dilation.size(), " dilations for ", heads,
        " heads, expected one for each head or one for all");
  for (const int dilation : rule.dilation) {
    check(dilation >= 1, "sliding window: a dilation is ", dilation, ", expected 1 (every key) or more");
  }
}

void check_two_heads(const char* rule, int heads) {
  check(heads >= 2, rule, ": ", heads, " head, expected 2 or more, as odd heads see what even heads do not");
}

void check_rule(const StridedPattern& rule, int heads) {
  check(rule.stride >= 1, "strided pattern: the stride is ", rule.stride, ", expected 1 or more");
  check_two_heads("strided pattern", heads);
}

void check_rule(const FixedPattern& rule, int heads) {
  check(rule.stride >= 1 && rule.summary >= 1 && rule.summary <= rule.stride, "fixed pattern: ", rule.summary,
        " summary keys of a stride of ", rule.stride, ", expected 1 <= summary <= stride");
  check_two_heads("fixed pattern", heads);
}

void check_rule(const BigBird& rule, int) {
  check(rule.block >= 1, "bigbird: the block is ", rule.block, " tokens, expected 1 or more");
  check(rule.window_blocks >= 1 && rule.window_blocks % 2 == 1, "bigbird: the window is ", rule.window_blocks,
        " blocks, expected an odd number, the query's own in the middle");
  check(rule.global_blocks >= 0 && rule.random_blocks >= 0, "bigbird: ", rule.global_blocks, " global and ",
        rule.random_blocks, " random blocks, expected 0 or more of each");
}

}  // namespace

bool is_global(const GlobalTokens& global, int sequence, int position) {
  if (position < global.leading) return true;
  if (global.positions.empty()) return false;
  const auto& more = global.positions[static_cast<size_t>(sequence)];
  return std::find(more.begin(), more.end(), position) != more.end();
}

int dilation_of(const SlidingWindow& rule, int head) {
  if (rule.dilation.empty()) return 1;
  return rule.dilation[rule.dilation.size() == 1 ? 0 : static_cast<size_t>(head)];
}

int count_blocks(const BigBird& rule, int tokens) {
  return tokens / rule.block + (tokens % rule.block != 0 ? 1 : 0);
}

GlobalBlocks global_blocks(const BigBird& rule, int blocks) {
  const int first = std::min(rule.global_blocks - rule.global_blocks / 2, blocks);
  return {first, std::min(rule.global_blocks / 2, blocks - first)};
}

std::vector<int> random_blocks(const BigBird& rule, int head, int query_block, int blocks) {
  const GlobalBlocks ends = global_blocks(rule, blocks);
  const int half = rule.window_blocks / 2, end = blocks - ends.last;
  // The candidates are ends.first ... window-1 and after ... end-1, counted through.
  const int window = std::clamp(query_block - half, ends.first, end),
            after = std::clamp(query_block + half + 1, window, end);
  const int before = window - ends.first, candidates = before + end - after;
  const Rng rng = Rng(rule.seed).stream(static_cast<uint64_t>(head)).stream(static_cast<uint64_t>(query_block));
  std::vector<int> drawn;
  // Floyd's way to draw without putting back: of the first j + 1 candidates one, or the j-th where that is drawn.
  for (int j = std::max(candidates - rule.random_blocks, 0); j < candidates; ++j) {
    const int n = static_cast<int>(rng.below(static_cast<uint64_t>(j), static_cast<uint64_t>(j) + 1));
    drawn.push_back(std::find(drawn.begin(), drawn.end(), n) == drawn.end() ? n : j);
  }
  for (int& n : drawn) n = n < before ? ends.first + n : after + n - before;
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

bool may_see(const SparsePattern& pattern, const QueryAndKey& pair) {
  if (is_global(pattern.global, pair.sequence, pair.query)) return pattern.global.attend;
  if (is_global(pattern.global, pair.sequence, pair.key)) return true;
  return std::visit([&](const auto& rule) { return rule_sees(rule, pattern.global, pair); }, pattern.rule);
}

void check_pattern(const SparsePattern& pattern, bool causal, int heads, const Segments& queries,
                   const Segments& keys) {
  std::visit([&](const auto& rule) { check_rule(rule, heads); }, pattern.rule);
  const bool bigbird = std::holds_alternative<BigBird>(pattern.rule);
  check(
      !bigbird || !causal,
      "bigbird: it has no causal form, as global blocks see and are seen on both sides; take a sliding window, or the "
      "strided or fixed pattern");
  const GlobalTokens& global = pattern.global;
  check(global.leading >= 0, "sparse pattern: ", global.leading, " leading global tokens, expected 0 or more");
  check(global.positions.empty() || global.positions.size() == static_cast<size_t>(keys.count()),
        "sparse pattern: ", global.positions.size(), " lists of global tokens for ", keys.count(), " sequences");
  for (size_t s = 0; s < global.positions.size(); ++s) {
    for (const int position : global.positions[s]) {
      check(position >= 0 && position < keys.length(static_cast<int>(s)), "sparse pattern: global token ", position,
            " of sequence ", s, ", which has ", keys.length(static_cast<int>(s)), " tokens");
    }
  }
  for (int s = 0; s < keys.count(); ++s) {
    check(queries.length(s) <= keys.length(s), "sparse pattern: sequence ", s, " has ", queries.length(s),
          " queries and ", keys.length(s), " keys, expected no more queries: each stands at a key");
    check(!bigbird || queries.length(s) == keys.length(s), "bigbird: sequence ", s, " has ", queries.length(s),
          " queries and ", keys.length(s), " keys, expected as many, as its blocks are those of a whole sequence");
  }
}

}  // namespace attune::attention
