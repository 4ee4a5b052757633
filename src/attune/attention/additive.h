// Additive attention (Bahdanau 2015, appendix A.1.2): score(i, j) = v^T tanh(q_i + k_j), with q = W s and k = U h. The
// products are the caller's: k once a sentence, q once a target token. Luong's concat, v^T tanh(W [h_i; h_j]), is the
// same score with both halves of W.
#pragma once

#include "attune/attention/source_read.h"

namespace attune::attention {

// query [queries, depth], key [source tokens, depth], vector [depth], value [source tokens, width], of one type:
// float32, or float64 (the definition). A query's results have the same bits whatever else is in the batch and with any
// number of threads. Memory besides the results: none; the backward computes tanh again.
SourceRead additive(const Tensor& query, const Tensor& key, const Tensor& vector, const Tensor& value,
                    const ReadOptions& options);

}  // namespace attune::attention
