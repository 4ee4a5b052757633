#include "attune/nn/attention_positions.h"

#include <cmath>

#include "attune/attention/scaled_dot_relative.h"
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

attention::Bias AttentionPositions::bias_at(std::span<const int> distances) const {
  const attention::Bias by_distance = bias(DType::float32);
  if (std::holds_alternative<std::monostate>(by_distance)) {
    return {};
  }
  const auto* slopes = std::get_if<attention::Slopes>(&by_distance);
  const Tensor& numbers = slopes != nullptr ? slopes->value : table;
  const auto keys = static_cast<int64_t>(distances.size());
  Tensor dense = Tensor::empty({options.heads, 1, keys});
  for (int64_t at = 0; at < dense.elements(); ++at) {
    const attention::RelativeTerm term =
        attention::relative_term(by_distance, -int64_t{distances[static_cast<size_t>(at % keys)]});
    dense.data<float>()[static_cast<size_t>(at)] =
        static_cast<float>(term.factor * numbers.at(at / keys * attention::numbers_per_head(by_distance) + term.index));
  }
  return attention::DenseBias{dense};
}

Tensor AttentionPositions::turned(const Tensor& x, std::span<const int32_t> at) const {
  return turns() ? rotary(x, at, options.kind == PositionKind::rotary ? RotaryPairs::interleaved : RotaryPairs::halves)
                 : x;
}

double alibi_slope(int head, int heads) {
  return std::exp2(-8.0 * (head + 1) / heads);
}

}  // namespace attune
