// The pictures of attune compare --plot: of translation what becomes of BLEU as sources grow longer, of other tasks
// what quality costs.
#pragma once

#include <vector>

#include "attune/cli/comparison_table.h"
#include "attune/cli/line_plot.h"

namespace attune::cli {

// A line for each config, the mean of its rows; a point for each length bucket, at the mean of its sources' words.
// Where the test goes beyond the longest source that was learnt from, that is marked.
LinePlot length_plot(const std::vector<ComparedRow>& rows);

// A point for each config, the mean of its rows: accuracy or F1 of labels, of text the loss, over the time that
// training took a token.
LinePlot quality_plot(const std::vector<ComparedRow>& rows);

}  // namespace attune::cli
