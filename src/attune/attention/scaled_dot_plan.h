// How a call of the fused attention is cut into items, and items into shares that are worth handing to a thread. No
// result depends on the cut: every sum is a chain in an order of its own.
#pragma once

#include <functional>
#include <vector>

#include "attune/attention/scaled_dot_items.h"

namespace attune::attention::cpu {

struct Plan {
  std::vector<Item> items;
  std::vector<size_t> shares{0};  // share s is items shares[s] ... shares[s + 1] - 1, run in this order by one thread

  void end_share() {
    if (shares.back() != items.size()) shares.push_back(items.size());
  }
};

struct ForwardPlan {
  Plan gather;
  Plan merge;         // after that: by heads, of sequences whose spans are items of their own
  int64_t parts = 0;  // rows that these gather
};
ForwardPlan forward_plan(const Fused& in);
// The backward of everything at once: an item is a sequence and a kv head.
Plan plan_by_sequences(const Fused& in);
// The backward in two halves, for more independent items or where heads or sequences add to one dense bias: dQ and the
// bias by stretches of queries, dK and dV by stretches of keys.
Plan plan_by_rows(const Fused& in, bool heads_share_bias);
Plan plan_by_keys(const Fused& in);

// run: an item, and the one that its thread works on next (null where that is not known).
void run_plan(const Plan& plan, const std::function<void(const Item& item, const Item* next)>& run);

}  // namespace attune::attention::cpu
