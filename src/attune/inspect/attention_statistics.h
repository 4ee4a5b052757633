// Figures of one attention map.
#pragma once

#include "attune/inspect/inspection.h"

namespace attune {

AttentionStatistics statistics_of(const AttentionMap& map);

}  // namespace attune
