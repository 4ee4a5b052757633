#include "attune/decode/cross_attention.h"

#include <charconv>
#include <cmath>
#include <numeric>
#include <string_view>

#include "attune/base/check.h"

namespace attune {

namespace {

int number(std::string_view digits) {
  int value = -1;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  check(value >= 0, "cross-attention: expected a number in the name of its weights, found '", digits, "'");
  return value;
}

}  // namespace

void see_cross_attention(const Model& model, const Batch& batch, const SeeCrossAttention& see) {
  // "decoder.layers.LAYER.cross_attention.weights.SEQUENCE"
  constexpr std::string_view before = "decoder.layers.", between = ".cross_attention.weights.";
  const Probe probe([&](std::string_view name, const Tensor& weights) {
    const size_t at = name.find(between);
    if (name.starts_with(before) && at != std::string_view::npos) {
      see(number(name.substr(before.size(), at - before.size())), number(name.substr(at + between.size())), weights);
    }
  });
  model.hidden(batch, Pass{.probe = &probe});
}

std::vector<double> weights_of_head(const Tensor& weights, int head) {
  const int64_t heads = weights.size(0);
  const auto cells = static_cast<size_t>(weights.size(1) * weights.size(2));
  std::vector<double> result(cells);
  dispatch_floating(weights.dtype(), [&](auto zero) {
    const auto values = weights.data<decltype(zero)>();
    for (int64_t h = head < 0 ? 0 : head; h < (head < 0 ? heads : head + 1); ++h) {
      for (size_t i = 0; i < cells; ++i) {
        result[i] += static_cast<double>(values[static_cast<size_t>(h) * cells + i]);
      }
    }
  });
  for (double& weight : result) {
    weight /= head < 0 ? static_cast<double>(heads) : 1.0;
  }
  return result;
}

AttentionEntropy attention_entropy(const Model& model, std::span<const Example> pairs,
                                   const AttentionEntropyOptions& options) {
  AttentionEntropy result;
  const auto add_row = [&](std::span<const double> row) {
    const double sum = std::accumulate(row.begin(), row.end(), 0.0);
    if (sum <= 0) {
      return;
    }
    for (const double weight : row) {
      const double p = weight / sum;
      result.entropy -= p > 0 ? p * std::log(p) : 0;
    }
    result.even += std::log(static_cast<double>(row.size()));
    result.rows += 1;
  };
  for (const std::vector<int>& indices : batches_by_length(pairs, {.batch_tokens = options.batch_tokens})) {
    see_cross_attention(model, make_batch(pairs, indices), [&](int, int, const Tensor& weights) {
      const std::vector<double> mean = weights_of_head(weights, -1);
      const auto columns = static_cast<size_t>(weights.size(2));
      for (size_t begin = 0; begin < mean.size(); begin += columns) {
        add_row(std::span(mean).subspan(begin, columns));
      }
    });
  }
  if (result.rows > 0) {
    result.entropy /= static_cast<double>(result.rows);
    result.even /= static_cast<double>(result.rows);
  }
  return result;
}

}  // namespace attune
