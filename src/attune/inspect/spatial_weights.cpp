#include "attune/inspect/spatial_weights.h"

#include <cmath>
#include <map>
#include <string>

#include "attune/inspect/attention_module.h"
#include "attune/inspect/attention_statistics.h"

namespace attune {

namespace {

// weights [heads, n, n], or [heads, 2n - 1] from offset 1 - n on
AttentionMap leading_part(const Tensor& weights, int head, int length) {
  AttentionMap map;
  map.head = head;
  map.queries = map.keys = length;
  const bool by_offset = weights.rank() == 2;
  const int64_t n = by_offset ? (weights.size(1) + 1) / 2 : weights.size(1);
  for (int64_t i = 0; i < length; ++i) {
    for (int64_t j = 0; j < length; ++j) {
      const int64_t element = by_offset ? head * weights.size(1) + j - i + n - 1 : (head * n + i) * n + j;
      map.weights.push_back(static_cast<float>(weights.at(element)));
    }
  }
  return map;
}

// each(query, key, weight)
template <class Each>
void for_each_visible(const AttentionMap& map, const Each& each) {
  for (int i = 0; i < map.queries; ++i) {
    for (int j = 0; j < map.keys; ++j) {
      if (!map.is_hidden(i, j)) {
        each(i, j, static_cast<double>(map.weight(i, j)));
      }
    }
  }
}

struct Sums {
  double sum = 0, squares = 0;
  int count = 0;

  void add(double x) {
    sum += x;
    squares += x * x;
    ++count;
  }
  double scatter() const { return squares - sum * sum / count; }  // around their mean
};

}  // namespace

std::vector<AttentionMap> spatial_maps(const Network& model, AttentionKind kind, int length) {
  const bool encoder = kind == AttentionKind::encoder_spatial;
  const ModelConfig& config = model.config();
  std::vector<AttentionMap> maps;
  for (int layer = 0; layer < (encoder ? config.encoder_layers : config.decoder_layers); ++layer) {
    const std::string module = (encoder ? "encoder.layers." : "decoder.layers.") + std::to_string(layer);
    const Parameters::Entry* entry = model.parameters().find(module + ".self_attention.spatial.weight");
    for (int head = 0; entry != nullptr && head < static_cast<int>(entry->parameter->size(0)); ++head) {
      AttentionMap map = leading_part(*entry->parameter, head, length);
      map.kind = kind;
      map.layer = layer;
      map.hidden = hidden_cells(map, config);
      for (size_t cell = 0; cell < map.hidden.size(); ++cell) {
        map.weights[cell] = map.hidden[cell] ? 0 : map.weights[cell];
      }
      map.statistics = statistics_of(map);
      map.toeplitz = toeplitz_share(map);
      maps.push_back(std::move(map));
    }
  }
  return maps;
}

double mean_magnitude(const AttentionMap& map) {
  double sum = 0;
  int count = 0;
  for_each_visible(map, [&](int, int, double weight) {
    sum += std::abs(weight);
    ++count;
  });
  return count > 0 ? sum / count : 0;
}

std::optional<double> toeplitz_share(const AttentionMap& map) {
  Sums all;
  std::map<int, Sums> diagonals;
  for_each_visible(map, [&](int i, int j, double weight) {
    all.add(weight);
    diagonals[j - i].add(weight);
  });
  const int free = all.count - static_cast<int>(diagonals.size());
  if (free <= 0 || all.scatter() <= 0) {
    return {};
  }
  double within = 0;
  for (const auto& [offset, diagonal] : diagonals) {
    within += diagonal.scatter();
  }
  return 1 - (within / free) / (all.scatter() / (all.count - 1));
}

}  // namespace attune
