#include "attune/inspect/rollout.h"

#include <optional>

#include "attune/inspect/attention_statistics.h"

namespace attune {

namespace {

struct Matrix {
  int rows = 0, columns = 0;
  std::vector<double> values;

  Matrix(int r, int c) : rows(r), columns(c), values(static_cast<size_t>(r) * static_cast<size_t>(c)) {}
  double& at(int i, int j) {
    return values[static_cast<size_t>(i) * static_cast<size_t>(columns) + static_cast<size_t>(j)];
  }
  double at(int i, int j) const {
    return values[static_cast<size_t>(i) * static_cast<size_t>(columns) + static_cast<size_t>(j)];
  }
};

Matrix identity(int size) {
  Matrix result(size, size);
  for (int i = 0; i < size; ++i) {
    result.at(i, i) = 1;
  }
  return result;
}

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix result(a.rows, b.columns);
  for (int i = 0; i < a.rows; ++i) {
    for (int k = 0; k < a.columns; ++k) {
      for (int j = 0; j < b.columns; ++j) {
        result.at(i, j) += a.at(i, k) * b.at(k, j);
      }
    }
  }
  return result;
}

// 0.5 a + 0.5 b
Matrix halves(Matrix a, const Matrix& b) {
  for (size_t i = 0; i < a.values.size(); ++i) {
    a.values[i] = 0.5 * (a.values[i] + b.values[i]);
  }
  return a;
}

// The mean of the heads, its rows divided by their sums; a row of zeros stays one.
std::optional<Matrix> mean_of_heads(std::span<const AttentionMap> maps, AttentionKind kind, int layer) {
  std::optional<Matrix> mean;
  for (const AttentionMap& map : maps) {
    if (map.kind == kind && map.layer == layer) {
      if (!mean) {
        mean.emplace(map.queries, map.keys);
      }
      for (size_t i = 0; i < map.weights.size(); ++i) {
        mean->values[i] += static_cast<double>(map.weights[i]);
      }
    }
  }
  for (int i = 0; mean && i < mean->rows; ++i) {
    double sum = 0;
    for (int j = 0; j < mean->columns; ++j) {
      sum += mean->at(i, j);
    }
    for (int j = 0; j < mean->columns; ++j) {
      mean->at(i, j) /= sum > 0 ? sum : 1;
    }
  }
  return mean;
}

// 0.5 A + 0.5 I
Matrix with_residual(Matrix attention) {
  for (int i = 0; i < attention.rows; ++i) {
    double sum = 0;
    for (int j = 0; j < attention.columns; ++j) {
      sum += attention.at(i, j);
    }
    attention.at(i, i) += sum > 0 ? 0 : 1;
  }
  return halves(identity(attention.rows), attention);
}

AttentionMap map_of(AttentionKind kind, int layer, const Matrix& values) {
  AttentionMap map{kind, layer, -1, values.rows, values.columns, {}, {}, {}, {}};
  map.weights.assign(values.values.begin(), values.values.end());
  if (kind == AttentionKind::decoder_rollout) {
    for (int i = 0; i < values.rows; ++i) {
      for (int j = 0; j < values.columns; ++j) {
        map.hidden.push_back(j > i);
      }
    }
  }
  map.statistics = statistics_of(map);
  return map;
}

Matrix matrix_of(const AttentionMap& map) {
  Matrix result(map.queries, map.keys);
  result.values.assign(map.weights.begin(), map.weights.end());
  return result;
}

}  // namespace

std::vector<AttentionMap> encoder_rollout(std::span<const AttentionMap> maps, int layers) {
  std::vector<AttentionMap> result;
  std::optional<Matrix> state;
  for (int layer = 0; layer < layers; ++layer) {
    const auto attention = mean_of_heads(maps, AttentionKind::encoder, layer);
    if (!attention) {
      return {};
    }
    state = product(with_residual(*attention), state ? *state : identity(attention->rows));
    result.push_back(map_of(AttentionKind::encoder_rollout, layer, *state));
  }
  return result;
}

std::vector<AttentionMap> decoder_rollout(std::span<const AttentionMap> maps, int layers,
                                          std::span<const AttentionMap> encoder) {
  if (encoder.empty()) {
    return {};
  }
  const Matrix memory = matrix_of(encoder.back());
  std::vector<AttentionMap> result;
  std::optional<Matrix> target, source;
  for (int layer = 0; layer < layers; ++layer) {
    const auto self = mean_of_heads(maps, AttentionKind::decoder, layer);
    const auto cross = mean_of_heads(maps, AttentionKind::cross, layer);
    if (!self || !cross) {
      return {};
    }
    const Matrix mixing = with_residual(*self);
    target = product(mixing, target ? *target : identity(self->rows));
    source = product(mixing, source ? *source : Matrix(cross->rows, cross->columns));
    target = halves(*target, Matrix(target->rows, target->columns));
    source = halves(*source, product(*cross, memory));
    result.push_back(map_of(AttentionKind::decoder_rollout, layer, *target));
    result.push_back(map_of(AttentionKind::source_rollout, layer, *source));
  }
  return result;
}

}  // namespace attune
