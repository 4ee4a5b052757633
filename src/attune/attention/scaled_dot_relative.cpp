#include "attune/attention/scaled_dot_relative.h"

#include <algorithm>
#include <cmath>

namespace attune::attention {

// Logarithms in float32 like the original, whose borders they decide.
int64_t bucket_of(const Buckets& buckets, int64_t relative) {
  int64_t count = buckets.value.size(1), base = 0, distance = -relative;
  if (buckets.bidirectional) {
    count /= 2;
    base = distance < 0 ? count : 0;
    distance = std::abs(distance);
  }
  distance = std::max<int64_t>(distance, 0);
  const int64_t exact = count / 2;
  if (distance < exact) {
    return base + distance;
  }
  const float along = std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
                      std::log(static_cast<float>(buckets.max_distance) / static_cast<float>(exact));
  return base + std::min(count - 1, exact + static_cast<int64_t>(along * static_cast<float>(count - exact)));
}

RelativeTable relative_table(const Options& options, const Segments& queries, const Segments& keys) {
  const auto* slopes = std::get_if<Slopes>(&options.bias);
  const auto* buckets = std::get_if<Buckets>(&options.bias);
  RelativeTable table;
  if ((slopes == nullptr && buckets == nullptr) || queries.longest() == 0 || keys.longest() == 0) {
    return table;
  }
  const Tensor value = (slopes != nullptr ? slopes->value : buckets->value).compact();
  table.numbers = slopes != nullptr ? 1 : static_cast<int>(value.size(1));
  table.center = keys.longest() - 1;
  for (int64_t relative = -table.center; relative < queries.longest(); ++relative) {
    if (slopes != nullptr) {
      table.terms.push_back({0, -static_cast<double>(std::abs(relative))});
    } else {
      table.terms.push_back({bucket_of(*buckets, relative), 1.0});
    }
  }
  const auto count = static_cast<int64_t>(table.terms.size());
  table.bias = Tensor::zeros({value.size(0), count + 64});
  for (int64_t head = 0; head < value.size(0); ++head) {
    for (int64_t n = 0; n < count; ++n) {
      const RelativeTerm& term = table.terms[static_cast<size_t>(n)];
      table.bias.pointer<float>()[head * (count + 64) + n] =
          static_cast<float>(term.factor) * value.pointer<float>()[head * table.numbers + term.index];
    }
  }
  return table;
}

void add_relative_gradient(const RelativeTable& table, std::span<const float> gradients, int64_t first, float* sums) {
  std::vector<double> total(static_cast<size_t>(table.numbers), 0.0);
  for (size_t n = 0; n < gradients.size(); ++n) {
    const RelativeTerm& term = table.terms[static_cast<size_t>(first) + n];
    total[static_cast<size_t>(term.index)] += term.factor * static_cast<double>(gradients[n]);
  }
  for (size_t n = 0; n < total.size(); ++n) sums[n] += static_cast<float>(total[n]);
}

}  // namespace attune::attention
