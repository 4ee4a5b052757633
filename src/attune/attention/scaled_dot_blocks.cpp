#include "attune/attention/scaled_dot_blocks.h"

#include <algorithm>
#include <array>
#include <bit>

#include "attune/attention/scaled_dot_items.h"
#include "attune/base/parallel.h"

namespace attune::attention::cpu {

namespace {

// Keys (queries) stand by their position modulo this.
struct Periods {
  int keys = 1, queries = 1;
  friend bool operator==(const Periods&, const Periods&) = default;
};

struct Kind {  // of heads that see the same in the same order
  int sees = 0;
  Periods periods = {};
  friend bool operator==(const Kind&, const Kind&) = default;
};

Kind kind_of(const SlidingWindow& rule, int head) {
  const int dilation = dilation_of(rule, head);
  return {dilation, {dilation, dilation}};
}
Kind kind_of(const StridedPattern& rule, int head) {
  return head % 2 == 0 ? Kind{} : Kind{1, {rule.stride, rule.stride}};
}
Kind kind_of(const FixedPattern& rule, int head) {
  return head % 2 == 0 ? Kind{} : Kind{1, {rule.stride, 1}};
}
Kind kind_of(const BigBird& rule, int head) {
  return {rule.random_blocks > 0 ? head : 0};
}

// The kinds of all heads; heads that share keys must agree on the order of these.
std::vector<Kind> kinds_of(const SparsePattern& pattern, int heads, int group, bool may_reorder) {
  std::vector<Kind> kinds;
  for (int head = 0; head < heads; ++head) {
    kinds.push_back(std::visit([&](const auto& rule) { return kind_of(rule, head); }, pattern.rule));
  }
  for (int first = 0; first < heads; first += group) {
    const std::span<Kind> sharing = std::span(kinds).subspan(static_cast<size_t>(first), static_cast<size_t>(group));
    const auto agrees = [&](const Kind& kind) { return kind.periods.keys == sharing[0].periods.keys; };
    if (may_reorder && std::all_of(sharing.begin(), sharing.end(), agrees)) continue;
    for (Kind& kind : sharing) kind.periods = {};
  }
  return kinds;
}

// What stands where, of `count` that stand at positions first ... first + count - 1, padded to whole blocks.
std::vector<int32_t> order_of(int count, int first, int64_t period) {
  std::vector<int32_t> order;
  if (period == 1) return order;
  order.reserve(static_cast<size_t>(round_up(count, block_keys)));
  for (int64_t residue = 0; residue < std::min<int64_t>(period, first + count); ++residue) {
    for (int64_t position = first + ((residue - first) % period + period) % period; position < first + count;
         position += period) {
      order.push_back(static_cast<int32_t>(position - first));
    }
  }
  order.resize(static_cast<size_t>(round_up(count, block_keys)));
  return order;
}

const int32_t* first_of(const std::vector<int32_t>& order) {
  return order.empty() ? nullptr : order.data();
}

class LayoutBuilder {
 public:
  LayoutBuilder(const Mask& mask, int sequence, int head, int queries, int keys, const Periods& periods)
      : mask_(mask),
        pattern_(*mask.pattern),
        head_(head),
        queries_(queries),
        keys_(keys),
        period_(periods.keys),
        slots_(static_cast<size_t>(blocks_of(keys)), -1) {
    layout_.query_order = order_of(queries, keys - queries, periods.queries);
    layout_.key_order = order_of(keys, 0, periods.keys);
    for (int position = 0; position < keys; ++position) {
      if (is_global(pattern_.global, sequence, position)) global_.push_back(position);
    }
  }

  BlockLayout build() && {
    for (int first = 0; first < queries_; first += block_queries) {
      layout_.first_visit.push_back(layout_.visits.size());
      const int rows = std::min(block_queries, queries_ - first);
      for (row_ = 0; row_ < rows; ++row_) {
        const int i = static_cast<int>(row_at(first_of(layout_.query_order), first + row_)),
                  position = i + keys_ - queries_;
        if (row_ > 0 && repeats(position)) {
          for (size_t slot = 0; slot < touched_.size(); ++slot) {
            rows_[slot][static_cast<size_t>(row_)] = rows_[slot][static_cast<size_t>(row_) - 1];
          }
          continue;
        }
        seen_ = visible_keys(mask_, i, queries_, keys_);
        see_from(position);
      }
      finish_block(rows);
    }
    layout_.first_visit.push_back(layout_.visits.size());
    transpose();
    return std::move(layout_);
  }

 private:
  static int blocks_of(int count) { return (count + block_keys - 1) / block_keys; }

  bool global(int position) const { return std::binary_search(global_.begin(), global_.end(), position); }

  // Whether a query sees what the one before sees, as those of one block of BigBird do.
  bool repeats(int position) const {
    const auto* const rule = std::get_if<BigBird>(&pattern_.rule);
    const int in_blocks = position - pattern_.global.leading;
    return rule != nullptr && !mask_.left && !mask_.right && in_blocks > 0 && in_blocks % rule->block != 0 &&
           !global(position) && !global(position - 1);
  }

  void see_from(int position) {
    if (global(position)) {
      if (pattern_.global.attend) see(0, keys_);
      return;
    }
    for (const int key : global_) see(key, key + 1);
    std::visit([&](const auto& rule) { see_by(rule, position); }, pattern_.rule);
  }

  void see_by(const SlidingWindow& rule, int position) {
    const int64_t dilation = dilation_of(rule, head_), reach = rule.window / 2 * dilation;
    see(position - reach, position + reach + 1, dilation);
  }
  void see_by(const StridedPattern& rule, int position) {
    if (head_ % 2 == 0) return see(int64_t{position} - rule.stride + 1, int64_t{position} + rule.stride);
    see(position % rule.stride, keys_, rule.stride);
  }
  void see_by(const FixedPattern& rule, int position) {
    const int64_t begin = position / rule.stride * rule.stride;
    if (head_ % 2 == 0) return see(begin, begin + rule.stride);
    for (int key = rule.stride - rule.summary; key < std::min(rule.stride, keys_); ++key) see(key, keys_, rule.stride);
  }
  void see_by(const BigBird& rule, int position) {
    const int lead = pattern_.global.leading, blocks = count_blocks(rule, keys_ - lead);
    const int query = (position - lead) / rule.block, half = rule.window_blocks / 2;
    const GlobalBlocks ends = global_blocks(rule, blocks);
    const auto see_blocks = [&](int begin, int end) {
      see(lead + int64_t{std::max(begin, 0)} * rule.block, lead + int64_t{end} * rule.block);
    };
    if (query < ends.first || query >= blocks - ends.last) return see_blocks(0, blocks);
    see_blocks(0, ends.first);
    see_blocks(blocks - ends.last, blocks);
    see_blocks(query - half, query + half + 1);
    if (query != drawn_for_) drawn_ = random_blocks(rule, head_, query, blocks);
    drawn_for_ = query;
    for (const int block : drawn_) see_blocks(block, block + 1);
  }

  // The row sees positions begin, begin + step ... below end, as far as they exist and the rest of the mask allows.
  void see(int64_t begin, int64_t end, int64_t step = 1) {
    if (begin < seen_.begin) begin += (seen_.begin - begin + step - 1) / step * step;
    end = std::min<int64_t>(end, seen_.end);
    if (begin >= end) return;
    if (step == period_) return see_places(place_of(begin), (end - 1 - begin) / step + 1);
    if (step == 1) {  // a stretch of every residue
      for (int64_t j = begin; j < std::min(end, begin + period_); ++j) {
        see_places(place_of(j), (end - 1 - j) / period_ + 1);
      }
      return;
    }
    for (int64_t j = begin; j < end; j += step) see_places(place_of(j), 1);
  }

  int64_t place_of(int64_t key) const {
    const int64_t residue = key % period_;
    return residue * (keys_ / period_) + std::min<int64_t>(residue, keys_ % period_) + key / period_;
  }

  void see_places(int64_t begin, int64_t count) {
    const KeyRange places{static_cast<int>(begin), static_cast<int>(begin + count)};
    for (int block = places.begin / block_keys; block * block_keys < places.end; ++block) {
      int& slot = slots_[static_cast<size_t>(block)];
      if (slot < 0) {
        slot = static_cast<int>(touched_.size());
        touched_.push_back(block);
        if (rows_.size() < touched_.size()) rows_.emplace_back();
        rows_[static_cast<size_t>(slot)].fill(0);
      }
      rows_[static_cast<size_t>(slot)][static_cast<size_t>(row_)] |= word_of(places, block * block_keys);
    }
  }

  void finish_block(int rows) {
    std::sort(touched_.begin(), touched_.end());
    for (const int block : touched_) {
      int& slot = slots_[static_cast<size_t>(block)];
      const std::array<Word, block_queries>& words = rows_[static_cast<size_t>(slot)];
      const Word present = word_of({0, keys_}, block * block_keys);
      bool whole = true;
      for (int r = 0; r < rows; ++r) {
        whole = whole && words[static_cast<size_t>(r)] == present;
        layout_.pairs += std::popcount(words[static_cast<size_t>(r)]);
      }
      layout_.visits.push_back({block, whole ? -1 : static_cast<int64_t>(layout_.words.size())});
      if (!whole) layout_.words.insert(layout_.words.end(), words.begin(), words.end());
      slot = -1;
    }
    touched_.clear();
  }

  // query_blocks, by counting.
  void transpose() {
    layout_.first_query_block.assign(static_cast<size_t>(blocks_of(keys_)) + 1, 0);
    for (const auto& visit : layout_.visits) ++layout_.first_query_block[static_cast<size_t>(visit.key_block) + 1];
    for (size_t n = 1; n < layout_.first_query_block.size(); ++n) {
      layout_.first_query_block[n] += layout_.first_query_block[n - 1];
    }
    std::vector<size_t> next = layout_.first_query_block;
    layout_.query_blocks.resize(layout_.visits.size());
    for (int query_block = 0; query_block * block_queries < queries_; ++query_block) {
      for (const auto& visit : layout_.visits_of(query_block)) {
        layout_.query_blocks[next[static_cast<size_t>(visit.key_block)]++] = query_block;
      }
    }
  }

  const Mask& mask_;
  const SparsePattern& pattern_;
  int head_, queries_, keys_, period_;
  BlockLayout layout_;
  std::vector<int> global_;  // positions
  // The row at work, and what the rest of the mask lets it see; BigBird's dice for the block of queries at work.
  int row_ = 0;
  KeyRange seen_;
  int drawn_for_ = -1;
  std::vector<int> drawn_;
  // The query block at work: words of its rows for every key block touched, at slots_[key block].
  std::vector<int> slots_, touched_;
  std::vector<std::array<Word, block_queries>> rows_;
};

}  // namespace

std::span<const BlockLayout::Visit> BlockLayout::visits_of(int query_block) const {
  const size_t begin = first_visit[static_cast<size_t>(query_block)];
  return std::span(visits).subspan(begin, first_visit[static_cast<size_t>(query_block) + 1] - begin);
}

std::span<const int> BlockLayout::query_blocks_of(int key_block) const {
  const size_t begin = first_query_block[static_cast<size_t>(key_block)];
  return std::span(query_blocks).subspan(begin, first_query_block[static_cast<size_t>(key_block) + 1] - begin);
}

const BlockLayout::Visit* BlockLayout::find(int query_block, int key_block) const {
  const auto list = visits_of(query_block);
  const auto at = std::lower_bound(list.begin(), list.end(), key_block,
                                   [](const Visit& visit, int block) { return visit.key_block < block; });
  return at != list.end() && at->key_block == key_block ? &*at : nullptr;
}

BlockMask::BlockMask(const Mask& mask, const Segments& queries, const Segments& keys, int heads, int kv_heads,
                     bool may_reorder) {
  const std::vector<Kind> kinds = kinds_of(*mask.pattern, heads, heads / kv_heads, may_reorder);
  auto data = std::make_shared<Data>();
  data->sequences = keys.count();
  std::vector<int> first_heads;  // of the kinds
  for (int head = 0; head < heads; ++head) {
    const auto same = [&](int other) { return kinds[static_cast<size_t>(other)] == kinds[static_cast<size_t>(head)]; };
    const auto known = std::find_if(first_heads.begin(), first_heads.end(), same);
    data->kind_of_head.push_back(static_cast<int>(known - first_heads.begin()));
    if (known == first_heads.end()) first_heads.push_back(head);
    data->reorders = data->reorders || kinds[static_cast<size_t>(head)].periods != Periods{};
  }
  data->layouts.resize(first_heads.size() * static_cast<size_t>(data->sequences));
  parallel_items(static_cast<int64_t>(data->layouts.size()), [&](int64_t n) {
    const int head = first_heads[static_cast<size_t>(n / data->sequences)], s = static_cast<int>(n % data->sequences);
    data->layouts[static_cast<size_t>(n)] =
        LayoutBuilder(mask, s, head, queries.length(s), keys.length(s), kinds[static_cast<size_t>(head)].periods)
            .build();
  });
  data_ = std::move(data);
}

const BlockLayout& BlockMask::layout(int sequence, int head) const {
  const int kind = data_->kind_of_head[static_cast<size_t>(head)];
  return data_
      ->layouts[static_cast<size_t>(kind) * static_cast<size_t>(data_->sequences) + static_cast<size_t>(sequence)];
}

const int32_t* BlockMask::query_order(int sequence, int head) const {
  return reorders() ? first_of(layout(sequence, head).query_order) : nullptr;
}
const int32_t* BlockMask::key_order(int sequence, int head) const {
  return reorders() ? first_of(layout(sequence, head).key_order) : nullptr;
}

int64_t BlockMask::visits() const {
  int64_t sum = 0;
  for (size_t head = 0; head < data_->kind_of_head.size(); ++head) {
    for (int s = 0; s < data_->sequences; ++s) {
      sum += static_cast<int64_t>(layout(s, static_cast<int>(head)).visits.size());
    }
  }
  return sum;
}

int64_t BlockMask::pairs() const {
  int64_t sum = 0;
  for (size_t head = 0; head < data_->kind_of_head.size(); ++head) {
    for (int s = 0; s < data_->sequences; ++s) sum += layout(s, static_cast<int>(head)).pairs;
  }
  return sum;
}

}  // namespace attune::attention::cpu
