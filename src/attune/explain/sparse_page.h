// What the pages of local, sparse and bigbird have beside those of scaled_dot (attention_page.cpp).
#pragma once

#include <vector>

#include "attune/explain/mechanism_page.h"

namespace attune::explain {

// From the options, which throw a UsageError where they make no pattern.
attention::SparsePattern local_pattern(const ExplainOptions& options);
attention::SparsePattern sparse_pattern(const ExplainOptions& options);
attention::SparsePattern bigbird_pattern(const ExplainOptions& options);

// 1 where the definition has a score, 0 where it computes none.
Tensor visible_pairs(const Calculated& run);

// A sparse pattern: what it lets through, as a matrix of zeros and ones; BigBird's random blocks.
void add_pattern(const Setting& setting, std::vector<Line>& lines);
// Longformer's global tokens, which read with projections of their own: their inputs, the attention of local and global
// tokens, and the lines of the global ones. q, k, v of local ones [tokens, heads, depth].
void add_global_inputs(const Setting& setting, std::vector<InputSpec>& list);
Tensor attend_with_globals(Calculation& calculation, const Setting& setting, const Tensor& x, const Projected& local,
                           const attention::Options& options);
void add_globals(const Setting& setting, std::vector<Line>& lines);
// P, with the rows of global tokens out of Pg.
Tensor weights_with_globals(const Calculated& run);
void add_globals_backward(const Setting& setting, std::vector<Line>& lines);

}  // namespace attune::explain
