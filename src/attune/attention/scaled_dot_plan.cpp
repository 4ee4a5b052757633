#include "attune/attention/scaled_dot_plan.h"

#include <numeric>

#include "attune/base/parallel.h"

namespace attune::attention::cpu {

namespace {

constexpr double worthwhile = 1 << 19;  // multiply-adds that are worth handing out

// All keys that some query of the item sees, from the beginning of a block on.
Item item_of(const Fused& in, int sequence, int kv_head, int query_begin, int query_end) {
  const int group = in.sizes.group(), queries = in.queries.length(sequence), keys = in.keys.length(sequence);
  Item item{sequence, kv_head, kv_head * group, (kv_head + 1) * group, query_begin, query_end, 0, 0};
  if (in.blocks) {
    item.key_end = keys;
    item.span = std::max(keys, 1);
  } else if (query_begin < query_end) {
    item.key_begin = visible_keys(in.options.mask, query_begin, queries, keys).begin / block_keys * block_keys;
    item.key_end = visible_keys(in.options.mask, query_end - 1, queries, keys).end;
  }
  return item;
}

double work_of(const Fused& in, const Item& item) {
  const double each = (item.head_end - item.head_begin) * (in.sizes.depth + in.sizes.value_depth);
  if (in.blocks) {
    const BlockLayout& layout = in.blocks.layout(item.sequence, item.head_begin);
    const size_t first = static_cast<size_t>(item.query_begin / block_queries);
    const size_t last = static_cast<size_t>((item.query_end + block_queries - 1) / block_queries);
    return static_cast<double>(layout.first_visit[last] - layout.first_visit[first] + 1) * block_queries * block_keys *
           each;
  }
  return (64.0 + item.key_end - item.key_begin) * (item.query_end - item.query_begin + 1) * each;
}

// `count` in as few equal stretches of at most `most` as possible.
int stretch_of(int count, int most) {
  const int parts = (count + most - 1) / most;
  return parts == 0 ? 1 : (count + parts - 1) / parts;
}

// Of a pattern: as many queries as are whole blocks of them.
int whole_query_blocks(int most) {
  return std::max(1, most / block_queries) * block_queries;
}

class Planner {
 public:
  explicit Planner(const Fused& in) : in_(in) {}
  void add(const Item& item) {
    plan_.items.push_back(item);
    work_.push_back(work_of(in_, item));
  }
  void add_to_share(const Item& item) { plan_.items.push_back(item); }  // which the caller ends
  void end_share() { plan_.end_share(); }
  // What was added goes in shares of several items, so that a thread knows what it works on next, but enough of them
  // that no thread waits long for another.
  Plan plan() {
    const double share = std::max<double>(
        worthwhile, std::accumulate(work_.begin(), work_.end(), 0.0) / (shares_per_thread * threads()));
    double gathered = 0;
    for (size_t i = 0; i < work_.size(); ++i) {
      gathered += work_[i];
      if (gathered >= share) {
        plan_.shares.push_back(i + 1);
        gathered = 0;
      }
    }
    plan_.end_share();
    return std::move(plan_);
  }

 private:
  static constexpr int shares_per_thread = 16;
  const Fused& in_;
  Plan plan_;
  std::vector<double> work_;
};

// Few queries of a sequence, as in decoding: an item a span, of all heads or of one kv head.
void add_spans(const Fused& in, int sequence, bool heads_together, Planner& gather, ForwardPlan& plan) {
  const int queries = in.queries.length(sequence), heads = in.sizes.heads, group = in.sizes.group();
  const Item all = item_of(in, sequence, 0, 0, queries);
  const bool merges = spans_of(all) > 1;
  for (int head = 0; merges && head < heads; ++head) {
    Item merged = all;
    merged.head_begin = head;
    merged.head_end = head + 1;
    merged.part = plan.parts + int64_t{head} * queries;
    plan.merge.items.push_back(merged);
    plan.merge.end_share();
  }
  Item item = all;
  for (bool first = true; first || item.key_begin < all.key_end; first = false) {
    item.key_end = end_of_span(all, item.key_begin);
    for (int head = 0; head < heads; head = item.head_end) {
      item.kv_head = head / group;
      item.head_begin = head;
      item.head_end = heads_together ? heads : head + group;
      item.part = merges ? plan.parts + int64_t{head} * queries : -1;
      gather.add(item);
    }
    plan.parts += merges ? int64_t{heads} * queries : 0;
    item.key_begin = item.key_end;
  }
}

// Whether there are enough items for all threads without one for each kv head: then one thread reads memory in the
// order in which it lies.
bool enough_spans(const Fused& in) {
  int64_t spans = 0;
  for (int s = 0; s < in.keys.count(); ++s) spans += 1 + in.keys.length(s) / span_keys;
  return spans >= 4 * threads();
}

// Rows of a kv head that pass by its keys together. Of 516, packing a block of keys is 1 % of the work, and queries and
// outputs of a depth of 64 stay in the second cache; half of that where there would be too few items for all threads.
int most_rows_of_item(const Fused& in) {
  constexpr int most = 516;
  int64_t items = 0;
  for (int s = 0; s < in.queries.count(); ++s) {
    items += int64_t{in.sizes.kv_heads} * (1 + in.queries.length(s) * in.sizes.group() / most);
  }
  return items >= 8 * threads() ? most : most / 2;
}

}  // namespace

ForwardPlan forward_plan(const Fused& in) {
  constexpr int few_rows = 24;  // of a kv head
  ForwardPlan plan;
  Planner planner(in);
  const int group = in.sizes.group(), most_rows = most_rows_of_item(in);
  const bool heads_together = enough_spans(in);
  for (int s = 0; s < in.queries.count(); ++s) {
    const int queries = in.queries.length(s);
    if (queries == 0) continue;
    if (queries * group <= few_rows && !in.blocks) {
      add_spans(in, s, heads_together, planner, plan);
      continue;
    }
    const int stretch =
        in.blocks ? whole_query_blocks(most_rows / group) : stretch_of(queries, std::max(1, most_rows / group));
    for (int head = 0; head < in.sizes.kv_heads; ++head) {
      for (int first = 0; first < queries; first += stretch) {
        planner.add(item_of(in, s, head, first, std::min(queries, first + stretch)));
      }
    }
  }
  plan.gather = planner.plan();
  return plan;
}

Plan plan_by_sequences(const Fused& in) {
  Planner planner(in);
  for (int s = 0; s < in.queries.count(); ++s) {
    for (int head = 0; head < in.sizes.kv_heads; ++head) {
      Item item = item_of(in, s, head, 0, in.queries.length(s));
      item.key_begin = 0;  // dK and dV of keys that nobody sees are 0, and have to be written
      item.key_end = in.keys.length(s);
      planner.add(item);
    }
  }
  return planner.plan();
}

Plan plan_by_rows(const Fused& in, bool heads_share_bias) {
  const int most_queries = in.blocks ? 4 * block_queries : 240;
  Planner planner(in);
  for (int first = 0; first < in.queries.longest(); first += most_queries) {
    for (int head = 0; head < in.sizes.heads; ++head) {
      for (int s = 0; s < in.queries.count(); ++s) {
        const int queries = in.queries.length(s);
        if (first >= queries) continue;
        Item item = item_of(in, s, head / in.sizes.group(), first, std::min(queries, first + most_queries));
        item.head_begin = head;
        item.head_end = head + 1;
        planner.add_to_share(item);
      }
      if (!heads_share_bias) planner.end_share();
    }
    planner.end_share();
  }
  return planner.plan();
}

Plan plan_by_keys(const Fused& in) {
  constexpr int most_keys = 4 * block_keys;
  Planner planner(in);
  for (int s = 0; s < in.queries.count(); ++s) {
    const int keys = in.keys.length(s);
    for (int head = 0; head < in.sizes.kv_heads; ++head) {
      for (int first = 0; first < keys; first += most_keys) {
        Item item = item_of(in, s, head, 0, in.queries.length(s));
        item.key_begin = first;
        item.key_end = std::min(keys, first + most_keys);
        planner.add(item);
      }
    }
  }
  return planner.plan();
}

void run_plan(const Plan& plan, const std::function<void(const Item& item, const Item* next)>& run) {
  parallel_items(static_cast<int64_t>(plan.shares.size()) - 1, [&](int64_t share) {
    const size_t end = plan.shares[static_cast<size_t>(share) + 1];
    for (size_t i = plan.shares[static_cast<size_t>(share)]; i < end; ++i) {
      run(plan.items[i], i + 1 < end ? &plan.items[i + 1] : nullptr);
    }
  });
}

}  // namespace attune::attention::cpu
