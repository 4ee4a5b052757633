// Attention by products (Luong 2015, section 3.1): dot, score(i, j) = h_i . h_j, and general, h_i^T W h_j, whose keys
// W h_j the caller computes once a sentence. For many queries a sentence attention/scaled_dot.h with scale 1 and one
// head computes the same in blocks; this is the form for one query at a time, in one pass, and with a window.
#pragma once

#include "attune/attention/source_read.h"

namespace attune::attention {

// query [queries, depth], key [source tokens, depth], value [source tokens, width] (may be the keys themselves), of one
// type: float32, or float64 (the definition). A query's results have the same bits whatever else is in the batch and
// with any number of threads.
SourceRead dot(const Tensor& query, const Tensor& key, const Tensor& value, const ReadOptions& options);

}  // namespace attune::attention
