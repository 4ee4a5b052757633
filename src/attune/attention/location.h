// Attention by place alone (Luong 2015, equation 8): a_i = softmax(W h_i), where row j of W is the source's position j;
// of a shorter source the first rows count.
#pragma once

#include "attune/attention/source_read.h"

namespace attune::attention {

// scores [queries, positions], at least as many as the longest source has tokens; value [source tokens, width], of one
// type: float32, or float64 (the definition). A query's results have the same bits whatever else is in the batch and
// with any number of threads.
SourceRead location(const Tensor& scores, const Tensor& value, const ReadOptions& options);

}  // namespace attune::attention
