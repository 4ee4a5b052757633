// What the recurrent models that attend cost, in float32 elements a token of each side; bfloat16 operands are kept
// beside.
#include <algorithm>

#include "attune/models/bahdanau.h"
#include "attune/models/luong.h"

namespace attune {

ModelCost bahdanau_cost(const ModelConfig& config, const CostOptions& options) {
  const int64_t w = config.width;
  ModelCost cost;
  cost.source_multiply_adds = 0;
  cost.target_multiply_adds = 0;
  cost.kept = options.source * 12 * w * 4 + options.target * (16 * w + options.length) * 4;
  cost.passing = options.target * 16 * w * 4 + options.source * 3 * w * 4;
  return cost;
}

ModelCost luong_cost(const ModelConfig& config, const CostOptions& options) {
  return bahdanau_cost(config, options);
}

}  // namespace attune
