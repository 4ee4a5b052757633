#include "attune/attention/scaled_dot_relative.h"

#include <algorithm>
#include <cmath>

#include "attune/attention/scaled_dot_terms.h"

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

int64_t numbers_per_head(const Bias& bias) {
  if (const auto* buckets = std::get_if<Buckets>(&bias)) return buckets->value.size(1);
  if (const auto* offsets = std::get_if<Offsets>(&bias)) return offsets->value.size(1);
  return 1;
}

RelativeTerm relative_term(const Bias& bias, int64_t relative) {
  if (const auto* buckets = std::get_if<Buckets>(&bias)) {
    return {bucket_of(*buckets, relative), 1.0};
  }
  if (const auto* offsets = std::get_if<Offsets>(&bias)) {
    const int64_t last = offsets->value.size(1) - 1, middle = last / 2;
    return {std::clamp<int64_t>(offsets->bidirectional ? relative + middle : -relative, 0, last), 1.0};
  }
  return {0, -static_cast<double>(std::abs(relative))};
}

RelativeTable relative_table(const Options& options, const Segments& queries, const Segments& keys) {
  RelativeTable table;
  if (std::holds_alternative<std::monostate>(options.bias) || std::holds_alternative<DenseBias>(options.bias) ||
      queries.longest() == 0 || keys.longest() == 0) {
    return table;
  }
  const Tensor value = bias_of(options)->compact();
  table.numbers = static_cast<int>(numbers_per_head(options.bias));
  table.center = keys.longest() - 1;
  for (int64_t relative = -table.center; relative < queries.longest(); ++relative) {
    table.terms.push_back(relative_term(options.bias, relative));
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
