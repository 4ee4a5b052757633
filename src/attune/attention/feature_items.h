// A call of attention by feature maps, checked. Internal to the mechanisms of feature_attention.h.
#pragma once

#include "attune/attention/feature_attention.h"

namespace attune::attention {

struct FeatureCall {
  const char* name;
  Tensor q, k, v;  // [rows, heads, depth], detached; any distance of rows and heads
  Segments queries, keys;
  bool causal = false;
  double epsilon = 0;
  int heads() const { return static_cast<int>(q.size(1)); }
};

// Throws an Error that says what does not fit.
void check_features(const FeatureCall& call);

// Of q, k, v [sequences, heads, depth], one token of each sequence, with a map of `features` features. Makes an empty
// state where none is given.
struct FeatureStep {
  const char* name;
  Tensor q, k, v;
  int64_t features;
  bool scaled;
};
void prepare_state(const FeatureStep& step, FeatureState& state);

}  // namespace attune::attention
