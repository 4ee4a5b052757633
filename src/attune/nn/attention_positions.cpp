#include "attune/nn/attention_positions.h"

#include <cmath>

#include "attune/ops/rotary.h"

namespace attune {

AttentionPositions::AttentionPositions(const AttentionPositionOptions& settings) : options(settings) {
  const Initialiser start{Initialiser::Kind::normal, 0.02};
  if (options.kind == PositionKind::relative) {
    table = Parameter({options.heads, relative_buckets}, start);
  } else if (options.kind == PositionKind::relative_offset) {
    table = Parameter({options.heads, options.causal ? options.max_positions : 2 * options.max_positions - 1}, start);
  }
}

attention::Bias AttentionPositions::bias(DType dtype) const {
  switch (options.kind) {
    case PositionKind::relative:
      return attention::Buckets{table, relative_reach, !options.causal};
    case PositionKind::relative_offset:
      return attention::Offsets{table, !options.causal};
    case PositionKind::alibi: {
      Tensor slopes = Tensor::empty({options.heads}, DType::float64);
      for (int head = 0; head < options.heads; ++head) {
        slopes.data<double>()[static_cast<size_t>(head)] = alibi_slope(head, options.heads);
      }
      return attention::Slopes{slopes.to(dtype)};
    }
    default:
      return {};
  }
}

Tensor AttentionPositions::turned(const Tensor& x, std::span<const int32_t> at) const {
  return turns() ? rotary(x, at, options.kind == PositionKind::rotary ? RotaryPairs::interleaved : RotaryPairs::halves)
                 : x;
}

double alibi_slope(int head, int heads) {
  return std::exp2(-8.0 * (head + 1) / heads);
}

}  // namespace attune
